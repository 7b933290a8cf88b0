"""What a denoiser is. Strength, padding, cross-fades and NaN checks belong to the pipeline, so every plugin has them.

A plugin may be slow to start, not to run. It is loaded once in the forkserver and then shared by forked workers, so what
`__init__` makes must survive a fork (no threads of its own), and importing its module must not import its library.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

RATE_HZ = 48_000
BLOCK = 480

Sound = npt.NDArray[np.float32]
VoiceState = Any  # the state of one voice: made, changed and understood by its denoiser alone
Voice = VoiceState  # its former name, which plug-ins may import


class Denoiser(Protocol):
    """Noisy blocks in, clean blocks out, for one voice or a batch. Lives in a worker process.

    A class may have besides `forkable(options) -> bool`, a class method: False where a process that has loaded it with these
    options cannot be forked (CUDA). The forkserver then never loads it; one worker started anew serves all its voices.
    `extra(options) -> tuple[str, ...]`, a class method too: parts of `.venv-torch` with one of which its library comes. A worker for
    it is started there, with the packages of that part and no others; such a denoiser is not forkable.
    And `blocks: int`, of its class or of each denoiser: the most blocks of each voice that `clean` takes in one call, where that
    is cheaper than several calls. It is then called with float32[n, k * block], k from 1 to `blocks`, whatever lies there.
    """

    rate_hz: ClassVar[int]  # 48_000
    block: ClassVar[int]  # samples per call and voice: 480
    latency_ms: ClassVar[float]  # the same as `latency`, known without loading the model
    latency: int  # samples by which its output trails its input

    def __init__(self, options: Mapping[str, object]) -> None:
        """Load the model. Raises OptionError."""

    def open(self) -> VoiceState:
        """The state of one new voice. Giving up the last reference closes it."""

    def clean(self, voices: Sequence[VoiceState], noisy: Sound) -> Sound:
        """Denoise one block of each voice: float32[n, block] -> float32[n, block], row i belongs to voices[i].

        Where it raises, the voices are to be as they were: each is then tried alone, for one may be to blame.
        """


def blocks_at_once(denoiser: Denoiser) -> int:
    """The most blocks of each voice that `clean` may be given: one, where the denoiser does not say."""
    return max(1, int(getattr(denoiser, "blocks", 1)))


def mapped(denoiser: Denoiser) -> bool:
    """Whether its weights lie in a file that is mapped: no, where it does not say.

    Run beforehand it would have them all in memory, to no end: a fork has to look up a file's pages for itself.
    """
    return bool(getattr(denoiser, "mapped", False))


def forkable(kind: type[Denoiser], options: Mapping[str, object]) -> bool:
    """Whether a process that has loaded this denoiser may be forked: yes, where its class does not say."""
    ask = getattr(kind, "forkable", None)
    return ask is None or bool(ask(options))


def extra(kind: type[Denoiser], options: Mapping[str, object]) -> tuple[str, ...]:
    """Which parts of `.venv-torch` it can run with: any of them; none: it runs where the server runs."""
    ask = getattr(kind, "extra", None)
    return () if ask is None else tuple(ask(options))
