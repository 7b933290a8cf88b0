"""The spectrogram of a sound of unknown length, in constant memory: when there are too many columns, pairs are merged."""

import numpy as np
import numpy.typing as npt

from workers.denoiser import Sound

FRAME, HOP = 1024, 480
BINS = FRAME // 2 + 1
_MOST = 2048  # columns at most; a long sound has at least half of that


class Spectrogram:
    """Power of 513 bins up to 24 kHz over time. The sound is padded with silence at both ends."""

    def __init__(self) -> None:
        self._window = np.hanning(FRAME).astype(np.float32)[:, None]
        self._waiting = np.zeros(FRAME // 2, np.float32)
        self._columns = np.zeros((_MOST, BINS), np.float32)
        self._hops = 1  # of one column
        self._full = 0  # columns that are complete
        self._count = 0  # hops in the column after those
        self.samples = 0

    def write(self, sound: Sound) -> None:
        """float32[channels, n] at 48 kHz; channels count as their mean."""
        self.samples += sound.shape[1]
        self._waiting = np.concatenate((self._waiting, sound.mean(axis=0)))
        count = max(0, (len(self._waiting) - FRAME) // HOP + 1)
        if count:
            frames = np.lib.stride_tricks.sliding_window_view(self._waiting, FRAME)[: count * HOP : HOP]
            power = np.abs(np.fft.rfft(frames * self._window.T, axis=1)) ** 2
            self._waiting = self._waiting[count * HOP :]
            for row in power.astype(np.float32):
                self._add(row)

    def _add(self, power: npt.NDArray[np.float32]) -> None:
        self._columns[self._full] += power
        self._count += 1
        if self._count < self._hops:
            return
        self._full, self._count = self._full + 1, 0
        if self._full == _MOST:
            self._columns[: _MOST // 2] = self._columns[0::2] + self._columns[1::2]
            self._columns[_MOST // 2 :] = 0
            self._full, self._hops = _MOST // 2, 2 * self._hops

    def decibels(self) -> npt.NDArray[np.float32]:
        """float32[columns, 513]: dB relative to a full-scale sine, -120 at least. Column 0 begins at the beginning."""
        columns = self._columns[: self._full] / self._hops
        if not len(columns):
            columns = self._columns[:1] / max(self._count, 1)
        scale = (float(self._window.sum()) / 2) ** 2
        out: npt.NDArray[np.float32] = 10 * np.log10(np.maximum(columns / scale, 1e-12))
        return out.astype(np.float32)
