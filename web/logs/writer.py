"""Writes log lines in a thread of its own: a full disk, a closed pipe or a reader that has stopped holds up nobody."""

import logging
import os
import threading
import time
from collections import deque

MOST_LINES = 2_000  # that wait to be written
END_S = 2.0  # for what waits, when the log is closed
FULL_S = 0.05  # between two tries with a pipe that takes nothing now and does not block


class LogWriter(logging.Handler):
    """Owns the thread. `dropped` counts the lines that found the queue full, or that the system did not take; it only grows."""

    def __init__(self, descriptor: int) -> None:
        """descriptor: where lines are written. It stays the caller's."""
        super().__init__()
        self.dropped = 0
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._some = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Never waits. Called under the handler's lock."""
        if len(self._lines) >= MOST_LINES or self._ending:
            self.dropped += 1
            return
        self._lines.append(self.format(record).encode("utf-8", "backslashreplace") + b"\n")
        self._some.set()

    def close(self) -> None:
        """Write what waits, for two seconds at most; later lines are dropped. Idempotent."""
        self._ending = True
        self._some.set()
        self._thread.join(END_S)
        super().close()

    def _write_all(self) -> None:
        while not (self._ending and not self._lines):
            self._some.wait()
            self._some.clear()
            while self._lines:
                self._write(self._lines.popleft())

    def _write(self, line: bytes) -> None:
        while line:
            try:
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:
                if self._ending:
                    self.dropped += 1
                    return
                time.sleep(FULL_S)
            except OSError:
                self.dropped += 1
                return
