"""Which reason is told of a packet that was heard uncleaned."""

from types import SimpleNamespace
from typing import cast

import pytest

from sfu.broadcast.heard import Heard
from sfu.denoise.states import DenoiseState
from sfu.denoise.supervisor import WorkerSupervisor
from tests.support.spoken import packet
from workers.recordings.spans import BYPASS, CLEAN, DENOISE_OFF, Treatment

STARTING, ACTIVE, BYPASSED = DenoiseState.STARTING, DenoiseState.ACTIVE, DenoiseState.BYPASSED
FAILED, SLOW = Treatment(BYPASS, "worker_failed"), Treatment(BYPASS, "too_slow")
Step = tuple[str, DenoiseState, str | None, Treatment]  # variant, the worker's state and reason, what is told


NEW, BUSY = Treatment(BYPASS), Treatment(BYPASS, "server_busy")
GOOD: Step = ("denoised", ACTIVE, None, Treatment(CLEAN))
STORIES: dict[str, list[Step]] = {
    "start": [("original", STARTING, None, NEW), ("original", ACTIVE, None, NEW), GOOD],
    "death": [GOOD, ("original", STARTING, None, FAILED), ("original", ACTIVE, None, FAILED), GOOD],
    "late": [GOOD, ("original", ACTIVE, None, SLOW), GOOD],
    "hung": [GOOD, ("original", ACTIVE, None, SLOW), ("original", STARTING, None, SLOW)],
    "busy": [("original", BYPASSED, "server_busy", BUSY), ("original", STARTING, None, BUSY), GOOD],
}


@pytest.mark.parametrize("steps", STORIES.values(), ids=STORIES)
def test_what_began_it_is_the_reason(steps: list[Step]) -> None:
    """A worker that starts for the first time is nobody's failure; one that had served is; and so on until something is clean again."""
    assert play(steps, enabled=True) == [why for *_, why in steps]


def test_the_switch_outdoes_all() -> None:
    """While it is off, whatever the worker does for who asked for `denoised`."""
    assert (
        play([("original", state, "too_slow", Treatment(DENOISE_OFF)) for state in DenoiseState], enabled=False)
        == [Treatment(DENOISE_OFF)] * 4
    )


def play(steps: list[Step], enabled: bool) -> list[Treatment]:
    told: list[Treatment] = []
    worker = SimpleNamespace(enabled=enabled, state=ACTIVE, reason=None)
    heard = Heard(cast(WorkerSupervisor, worker), lambda packet, variant, why: told.append(why))
    for number, (variant, worker.state, worker.reason, _) in enumerate(steps):
        heard.packet(packet(number, b"x"), variant)
    return told


def test_only_the_first_packet_after_it_tells_of_the_absence() -> None:
    """Whatever variant that is."""
    told: list[Treatment] = []
    heard = Heard(cast(WorkerSupervisor, SimpleNamespace(enabled=True)), lambda packet, variant, why: told.append(why))
    heard.packet(packet(0, b"x"), "denoised")
    heard.returned()
    for number in (1, 2):
        heard.packet(packet(number, b"x"), "denoised")
    assert [why.gap for why in told] == [None, "parked", None]
