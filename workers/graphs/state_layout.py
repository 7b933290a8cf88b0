"""What a voice carries from hop to hop, as one flat float32 vector: its parts, and what each starts with. No torch here.

Flat, because every tensor in and out of a graph costs a call. The layout travels inside the exported graph as JSON, so
that what runs the graph needs nothing but numpy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

HOPS = 2  # that a graph takes of each voice in a call, at most: a packet of 20 ms


@dataclass(frozen=True)
class Part:
    """One piece of the state. `warm` parts run from the first hop; the others stay at their start for the look-ahead's length."""

    name: str
    shape: tuple[int, ...]
    start: float = 0.0  # a ramp over the last axis, both ends included
    stop: float = 0.0
    warm: bool = False

    @property
    def size(self) -> int:
        return prod(self.shape)

    def initial(self) -> npt.NDArray[np.float32]:
        """Its values before the first hop: float32[size]."""
        return np.broadcast_to(_ramp(self.start, self.stop, self.shape[-1]), self.shape).ravel()


def initial(parts: Sequence[Part]) -> npt.NDArray[np.float32]:
    """The state of a voice that has not heard anything: float32[sum of sizes]."""
    return np.concatenate([part.initial() for part in parts])


def held(parts: Sequence[Part]) -> npt.NDArray[np.bool_]:
    """Which floats of a state stay at their start during the look-ahead: bool[sum of sizes]."""
    return np.concatenate([np.full(part.size, not part.warm) for part in parts])


def _ramp(start: float, stop: float, count: int) -> npt.NDArray[np.float32]:
    """A line from start to stop, rounded as libdf rounds it: one ulp here is 13 dB of agreement on a sound that begins near silence."""
    step = (np.float32(stop) - np.float32(start)) / np.float32(max(count - 1, 1))
    return np.float32(start) + np.arange(count, dtype=np.float32) * step
