"""A queue of samples."""

import numpy as np

from workers.denoiser import Sound


class Fifo:
    """Samples in at one end, out at the other. Grows to the largest content so far, which its user keeps bounded.

    It cycles through all of its memory, which should stay in the processor's caches, so it takes no more than needed.
    """

    def __init__(self, capacity: int = 4096) -> None:
        self._memory = np.zeros(capacity, dtype=np.float32)
        self._begin = self._end = 0

    def __len__(self) -> int:
        return self._end - self._begin

    def push(self, sound: Sound) -> None:
        """Copy float32[n] to the end."""
        if self._end + len(sound) > len(self._memory):
            self._make_room(len(sound))
        self._memory[self._end : self._end + len(sound)] = sound
        self._end += len(sound)

    def pull(self, count: int) -> Sound:
        """The oldest float32[count], valid until the next push. There must be as many."""
        assert count <= len(self)
        sound = self._memory[self._begin : self._begin + count]
        self._begin += count
        return sound

    def clear(self) -> None:
        self._begin = self._end = 0

    def _make_room(self, count: int) -> None:
        held = self._memory[self._begin : self._end].copy()
        if len(held) + count > len(self._memory):
            self._memory = np.zeros(2 * (len(held) + count), dtype=np.float32)
        self._memory[: len(held)] = held
        self._begin, self._end = 0, len(held)
