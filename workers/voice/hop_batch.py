"""The hops of many voices, denoised in one call. A voice's work is a generator that yields a request for one or a few hops at a time.

    work ─► Ask(denoiser, state, blocks) ─► with all of that denoiser and length in one call ─► Cleaned ─► work goes on

So a pipeline is written as if it were alone, and its driver decides which hops are denoised together.
"""

import time
from collections.abc import Generator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from workers.denoiser import BLOCK, Denoiser, Sound, VoiceState


class HopRequest(NamedTuple):
    """One hop of one voice, or as many as its denoiser takes at once."""

    denoiser: Denoiser
    voice: VoiceState
    noisy: Sound  # float32[hops * 480]

    @property
    def hops(self) -> int:
        return len(self.noisy) // BLOCK


class HopResult(NamedTuple):
    """The answer. hop_ns: the time for 10 ms of all voices; a share of a call that did more."""

    sound: Sound  # float32[hops * 480]
    hop_ns: int


Done = TypeVar("Done")
Work = Generator[HopRequest, HopResult, Done]


def alone(work: Work[Done]) -> Done:
    """Run the work of one voice alone. Raises what the work raises."""
    try:
        ask = next(work)
        while True:
            begin = time.perf_counter_ns()
            sound = ask.denoiser.clean([ask.voice], ask.noisy[None])[0]
            ask = work.send(HopResult(sound, (time.perf_counter_ns() - begin) // ask.hops))
    except StopIteration as end:
        done: Done = end.value
        return done


def cleaned(asks: Sequence[HopRequest]) -> list[HopResult | Exception]:
    """Answer all requests, in one call for each denoiser and length. An exception is the answer only for the voice that causes it."""
    found: list[Sound | Exception] = [np.empty(0, np.float32)] * len(asks)
    groups: dict[tuple[int, int], list[int]] = {}
    for at, ask in enumerate(asks):
        groups.setdefault((id(ask.denoiser), len(ask.noisy)), []).append(at)
    hop_ns = 0
    for group in groups.values():
        begin = time.perf_counter_ns()
        for at, sound in zip(group, _together([asks[at] for at in group]), strict=True):
            found[at] = sound
        hop_ns += (time.perf_counter_ns() - begin) // asks[group[0]].hops
    return [each if isinstance(each, Exception) else HopResult(each, hop_ns) for each in found]


def _together(asks: Sequence[HopRequest]) -> Sequence[Sound | Exception]:
    try:
        noisy = np.stack([ask.noisy for ask in asks]) if len(asks) > 1 else asks[0].noisy[None]
        return list(asks[0].denoiser.clean([ask.voice for ask in asks], noisy))
    except Exception as error:  # noqa: BLE001  whatever a plug-in raises concerns only the voice that causes it
        return [error] if len(asks) == 1 else [each for ask in asks for each in _together([ask])]
