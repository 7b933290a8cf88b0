"""A change of denoiser during a voice: both run, and the output is cross-faded over 20 ms."""

import numpy as np

from workers.denoiser import BLOCK, Sound
from workers.voice.hop_batch import Work
from workers.voice.stage import Stage

_FADE_BLOCKS = 2


class Crossfade:
    """The present stage and, for some blocks, its successor. All stages have the same latency."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._next: Stage | None = None
        self._after: Stage | None = None  # asked for during a fade
        self._heard = 0  # blocks given to the next stage
        self._idle = 0  # blocks by which the fade is put off

    def change(self, stage: Stage) -> None:
        """Change to another stage of the same latency. A successor that is not audible yet is replaced; a fade in progress is finished."""
        if self._next is not None and self._heard > _filled(self._next):
            self._after = stage
        else:
            self._next, self._heard = stage, 0

    def delay(self, blocks: int) -> None:
        """Delay the output by so many blocks; the next `blocks` of output are padding. A successor that is not audible yet begins anew."""
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
        """Reset for a new voice; a successor takes over at once."""
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
    """Blocks until its output is valid."""
    return stage.latency // BLOCK + 1
