"""The hops of many voices, cleaned at once. A voice's work is a generator that asks for its hops, one or a few at a time.

    work ─► Ask(denoiser, state, blocks) ─► with all of that denoiser and length in one call ─► Cleaned ─► work goes on

So a pipeline reads as if it were alone, and whoever drives several of them decides what is cleaned together.
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
    """The answer. hop_ns: what 10 ms of everybody's sound took; of a call that did more, its part."""

    sound: Sound  # float32[hops * 480]
    hop_ns: int


Done = TypeVar("Done")
Work = Generator[HopRequest, HopResult, Done]


def alone(work: Work[Done]) -> Done:
    """Do all the work of one voice. Raises what it raises."""
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
    """Answer all, in one call for each denoiser and length; an exception is the answer of the voice that it is about, and of no other."""
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
    except Exception as error:  # noqa: BLE001  whatever a plugin raises harms the voice that it is about
        return [error] if len(asks) == 1 else [each for ask in asks for each in _together([ask])]
