"""Progress: a moving bar on a terminal, and one line at the end."""

import sys
import time
from typing import TextIO

_WIDTH = 30  # of the bar, in characters
_EVERY_S = 0.1


class Progress:
    """Compares seconds of sound with elapsed time."""

    def __init__(self, total_s: float | None, stream: TextIO | None = None) -> None:
        """total_s: the sound's length, if known. stream: stderr by default."""
        self._total_s, self._stream = total_s, stream or sys.stderr
        self._moving = self._stream.isatty()
        self._began = self._shown = time.monotonic()
        self._done_s = 0.0

    @property
    def speed(self) -> float:
        """Seconds of sound for each second."""
        return self._done_s / max(time.monotonic() - self._began, 1e-9)

    def at(self, done_s: float) -> None:
        """So much of the sound is done."""
        self._done_s = done_s
        now = time.monotonic()
        if self._moving and now - self._shown >= _EVERY_S:
            self._shown = now
            self._stream.write(f"\r{self._line()}\x1b[K")
            self._stream.flush()

    def _line(self) -> str:
        speed = f"{self.speed:.1f} times real time"
        if not self._total_s:
            return f"{clock(self._done_s)}  {speed}"
        share = min(self._done_s / self._total_s, 1.0)
        full = round(share * _WIDTH)
        left_s = max(self._total_s - self._done_s, 0.0) / max(self.speed, 1e-9)
        return f"[{'#' * full}{'.' * (_WIDTH - full)}] {100 * share:3.0f} %  {speed}, {clock(left_s)} left"

    def end(self) -> None:
        """Erase the bar, so that the next line can take its place."""
        if self._moving:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def factor(self) -> str:
        """The time taken and the speed, as text."""
        took_s = time.monotonic() - self._began
        factor = took_s / max(self._done_s, 1e-9)
        return f"{self._done_s:.1f} s of sound in {took_s:.1f} s, {self.speed:.1f} times real time (real-time factor {factor:.3f})"


def clock(seconds: float) -> str:
    """75 -> "1:15"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
