"""The contract of a denoiser plug-in. The pipeline does strength, padding, cross-fades and NaN checks for every plug-in.

A plug-in may be slow to load, not to run. It is loaded once in the forkserver and then shared by forked workers, so what
`__init__` creates must survive a fork (no threads) unless `forkable` says no, and importing its module must not import its library.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

RATE_HZ = 48_000
BLOCK = 480

Sound = npt.NDArray[np.float32]
VoiceState = Any  # the state of one voice, opaque to all but its denoiser
Voice = VoiceState  # its former name, which plug-ins may import


class Denoiser(Protocol):
    """Noisy blocks in, clean blocks out, for one voice or a batch. Runs in a worker process.

    Optional members:
    - `forkable(options) -> bool`, a class method: False where a process that has loaded it with these options cannot be forked
      (CUDA). The forkserver then never loads it; one executed worker serves all its voices.
    - `extra(options) -> tuple[str, ...]`, a class method: parts of `.venv-torch`, any of which has its library. A worker for it is
      started there, with the packages of that part only; such a denoiser is not forkable.
    - `blocks: int`, of the class or the object: the most blocks of each voice that `clean` takes in one call, where that is cheaper
      than several calls. It is then called with float32[n, k * block], for any k from 1 to `blocks`.
    - `mapped: bool`: True where its weights lie in a memory-mapped file; see `mapped` below.
    """

    rate_hz: ClassVar[int]  # 48_000
    block: ClassVar[int]  # samples per call and voice: 480
    latency_ms: ClassVar[float]  # the same as `latency`, known without loading the model
    latency: int  # samples by which its output trails its input

    def __init__(self, options: Mapping[str, object]) -> None:
        """Load the model. Raises OptionError."""

    def open(self) -> VoiceState:
        """The state of a new voice. It is closed when its last reference goes."""

    def clean(self, voices: Sequence[VoiceState], noisy: Sound) -> Sound:
        """Denoise one block of each voice: float32[n, block] -> float32[n, block], row i belongs to voices[i].

        Where it raises, it must leave the voices unchanged: each is then tried alone, because one may be the cause.
        """


def blocks_at_once(denoiser: Denoiser) -> int:
    """The most blocks of each voice that `clean` may be given; 1 by default."""
    return max(1, int(getattr(denoiser, "blocks", 1)))


def mapped(denoiser: Denoiser) -> bool:
    """Whether its weights lie in a memory-mapped file; no by default.

    Such a denoiser is not warmed up before a fork: that would load all its pages, which each fork has to map again anyway.
    """
    return bool(getattr(denoiser, "mapped", False))


def forkable(kind: type[Denoiser], options: Mapping[str, object]) -> bool:
    """Whether a process that has loaded this denoiser may be forked; yes by default."""
    ask = getattr(kind, "forkable", None)
    return ask is None or bool(ask(options))


def extra(kind: type[Denoiser], options: Mapping[str, object]) -> tuple[str, ...]:
    """The parts of `.venv-torch`, any of which it can run with; empty: it runs in the server's Python."""
    ask = getattr(kind, "extra", None)
    return () if ask is None else tuple(ask(options))
