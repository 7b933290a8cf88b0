"""Noisy sound to clean sound of the same length and position. Each channel is a voice; all of them are one batch."""

import numpy as np

from workers.denoiser import BLOCK, RATE_HZ, Denoiser, Sound, blocks_at_once
from workers.files.errors import FileError
from workers.voice.stage import NO_LIMIT_DB


class Cleaner:
    """Owns the voices. The output of write() and rest() together has the input's length, without the denoiser's delay."""

    def __init__(self, denoiser: Denoiser, channels: int, strength_db: float = NO_LIMIT_DB) -> None:
        """strength_db: the most attenuation."""
        self._denoiser = denoiser
        self._voices = [denoiser.open() for _ in range(channels)]
        self._noisy_share = np.float32(0 if strength_db >= NO_LIMIT_DB else 10 ** (-strength_db / 20))
        self._pending = self._late = np.zeros((channels, 0), np.float32)  # not given to the denoiser yet; not returned by it yet
        self._skip = denoiser.latency
        self._step = blocks_at_once(denoiser) * BLOCK  # samples of a call
        self._hops = 0

    def write(self, noisy: Sound) -> Sound:
        """float32[channels, n] at 48 kHz -> float32[channels, m], the output so far. Raises FileError if it is not finite."""
        pending = np.concatenate((self._pending, noisy), axis=1)
        whole = pending.shape[1] // BLOCK * BLOCK
        self._pending = pending[:, whole:]
        hops = [self._hop(pending[:, at : min(at + self._step, whole)]) for at in range(0, whole, self._step)]
        clean = np.concatenate((np.zeros_like(noisy[:, :0]), *hops), axis=1)
        skipped = min(self._skip, clean.shape[1])
        self._skip -= skipped
        return self._mixed(clean[:, skipped:], noisy)

    def rest(self) -> Sound:
        """The rest of the output, pushed out with silence."""
        left = self._pending.shape[1] + self._denoiser.latency
        silence = np.zeros((len(self._voices), self._denoiser.latency + BLOCK), np.float32)
        return self.write(silence)[:, :left]

    def _hop(self, noisy: Sound) -> Sound:
        clean = self._denoiser.clean(self._voices, np.ascontiguousarray(noisy))
        self._hops += noisy.shape[1] // BLOCK
        if not np.isfinite(clean.sum(dtype=np.float64)):
            raise FileError(f"the denoiser gave no finite numbers after {self._hops * BLOCK / RATE_HZ:.2f} s")
        return clean

    def _mixed(self, clean: Sound, noisy: Sound) -> Sound:
        if not self._noisy_share:
            return clean
        late = np.concatenate((self._late, noisy), axis=1)
        now, self._late = np.split(late, [clean.shape[1]], axis=1)
        return now * self._noisy_share + clean * (np.float32(1) - self._noisy_share)
