"""A change of denoiser while the voice goes on: both run, the new one is faded in over 20 ms."""

import numpy as np

from workers.denoiser import BLOCK, Sound
from workers.voice.hop_batch import Work
from workers.voice.stage import Stage

_FADE_BLOCKS = 2


class Crossfade:
    """The stage in force and, for some blocks, the one that takes over. All of them have one latency."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._next: Stage | None = None
        self._after: Stage | None = None  # asked for while a fade was heard
        self._heard = 0  # blocks that the next one has had
        self._idle = 0  # blocks in which there is nothing to be faded

    def change(self, stage: Stage) -> None:
        """Go over to another stage of the same latency; one that was still coming is given up, one half faded in is awaited."""
        if self._next is not None and self._heard > _filled(self._next):
            self._after = stage
        else:
            self._next, self._heard = stage, 0

    def delay(self, blocks: int) -> None:
        """Be so many blocks later from now on; the next `blocks` of output are nobody's. One that was still coming begins anew."""
        if self._next is not None and self._heard <= _filled(self._next):
            self._heard = 0
        elif self._next is not None:
            self._heard, self._idle = self._heard + blocks, self._idle + blocks
        for stage in filter(None, (self._stage, self._next, self._after)):
            stage.delay(blocks * BLOCK)

    def limit(self, strength_db: float, over: int) -> None:
        for stage in filter(None, (self._stage, self._next, self._after)):
            stage.limit(strength_db, over)

    def forget(self) -> None:
        """Begin with a new voice, at once with the next stage where there is one."""
        self._stage, self._next, self._after = self._after or self._next or self._stage, None, None
        self._idle = 0
        self._stage.forget()

    @property
    def blocks(self) -> int:
        """The most that `hop` takes now: one while two stages run."""
        return self._stage.blocks if self._next is None else 1

    def hop(self, noisy: Sound) -> Work[Sound]:
        """float32[n * 480] -> the same; n up to `blocks`. Raises WorkerFailed("nan")."""
        clean = yield from self._stage.hop(noisy)
        if self._next is None:
            return clean
        coming = yield from self._next.hop(noisy)
        if self._idle:
            self._idle -= 1
            return clean
        faded = self._heard - _filled(self._next)
        self._heard += 1
        if faded < 0:
            return clean
        share: Sound = (np.arange(1, BLOCK + 1, dtype=np.float32) / np.float32(BLOCK) + np.float32(faded)) / np.float32(_FADE_BLOCKS)
        if faded == _FADE_BLOCKS - 1:
            self._stage, self._next, self._after, self._heard = self._next, self._after, None, 0
        return coming * share + clean * (np.float32(1) - share)


def _filled(stage: Stage) -> int:
    """Blocks until its output is the voice's."""
    return stage.latency // BLOCK + 1
