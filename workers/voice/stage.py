"""One voice through one denoiser: padded to a common latency, with the strength applied, checked for NaN."""

from collections import deque
from dataclasses import dataclass, field
from math import isfinite

import numpy as np

from workers.denoiser import BLOCK, Denoiser, Sound, blocks_at_once
from workers.errors import WorkerFailed
from workers.voice.fifo import Fifo
from workers.voice.hop_batch import HopRequest, Work

NO_LIMIT_DB = 100.0
_WINDOW = 512  # hops whose durations are kept for the quantiles


@dataclass
class HopCosts:
    """What the hops cost. Bounded: the oldest durations are dropped."""

    count: int = 0
    nan: int = 0
    ns: deque[int] = field(default_factory=lambda: deque(maxlen=_WINDOW))


class Stage:
    """A voice in a denoiser; its output trails its input by exactly `latency` samples, more than the denoiser's where asked."""

    def __init__(self, denoiser: Denoiser, latency: int, hops: HopCosts) -> None:
        self.denoiser = denoiser
        self.latency = latency
        self.blocks = blocks_at_once(denoiser)  # the most that `hop` takes
        self._hops = hops
        self._limit = 0.0  # share of the noisy sound in the output
        self._wanted = 0.0
        self._step = 0.0  # of the limit, a sample
        self.forget()

    def forget(self) -> None:
        """Reset for a new voice."""
        self._voice = self.denoiser.open()
        self._noisy = _Delay(self.latency)
        self._padding = _Delay(self.latency - self.denoiser.latency)

    def delay(self, samples: int) -> None:
        """Delay the output by so many samples more; the next `samples` of output are padding."""
        self.latency += samples
        for each in (self._noisy, self._padding):
            each.lengthen(samples)

    def limit(self, strength_db: float, over: int = 960) -> None:
        """Attenuate noise by at most `strength_db`; reached linearly over `over` samples."""
        self._wanted = 0.0 if strength_db >= NO_LIMIT_DB else 10 ** (-max(strength_db, 0.0) / 20)
        self._step = abs(self._wanted - self._limit) / over if over else 2.0

    def hop(self, noisy: Sound) -> Work[Sound]:
        """float32[n * 480], n up to `blocks` -> the same, `latency` samples later.

        Raises WorkerFailed("nan") for anything but finite numbers.
        """
        clean, hop_ns = yield HopRequest(self.denoiser, self._voice, noisy)
        hops = len(noisy) // BLOCK
        self._hops.ns.extend((hop_ns,) * hops)
        self._hops.count += hops
        if not isfinite(np.add.reduce(clean)) and not np.isfinite(clean).all():
            self._hops.nan += 1
            raise WorkerFailed(f"no finite numbers in hop {self._hops.count}", reason="nan")
        clean = self._padding.through(clean)
        noisy = self._noisy.through(noisy)  # always, because a limit may be set at any time
        if self._limit == self._wanted == 0.0:
            return clean
        share = self._share(len(noisy))
        return noisy * share + clean * (np.float32(1) - share)

    def _share(self, samples: int) -> Sound | np.float32:
        if self._limit == self._wanted:
            return np.float32(self._limit)
        low, high = sorted((self._limit, self._wanted))
        direction = self._step if self._wanted > self._limit else -self._step
        line = np.clip(self._limit + direction * np.arange(1, samples + 1), low, high)
        self._limit = float(line[-1])
        return np.asarray(line, np.float32)


class _Delay:
    """The samples of `count` ago; silence at first."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._held = Fifo(2 * count + 4 * BLOCK)
        self._held.push(np.zeros(count, dtype=np.float32))

    def lengthen(self, count: int) -> None:
        """Put silence in front of the held samples."""
        held = self._held.pull(self._count).copy()
        self._held.push(np.zeros(count, dtype=np.float32))
        self._held.push(held)
        self._count += count

    def through(self, sound: Sound) -> Sound:
        """float32[n] -> as many, in an array of the caller's."""
        if not self._count:
            return sound
        self._held.push(sound)
        return self._held.pull(len(sound)).copy()
