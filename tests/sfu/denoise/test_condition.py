"""The condition of one voice's denoising: state, reservation and notice go together."""

import pytest

from sfu.denoise.capacity import Capacity
from sfu.denoise.condition import Condition
from sfu.denoise.load_monitor import LoadMonitor
from sfu.denoise.states import DenoiseEvent, DenoiseState


def test_capacity_is_reserved_while_a_worker_serves() -> None:
    """Moving to a state with a worker reserves for its denoiser, moving to off or bypassed releases; each move is reported once."""
    capacity, told = Capacity(2.0), list[DenoiseState]()
    condition = Condition(LoadMonitor(capacity, 1000), lambda: told.append(condition.state))
    condition.move(DenoiseEvent.WANTED, None)
    assert not capacity._voices
    condition.move(DenoiseEvent.READY, "passthrough")
    assert list(capacity._voices.values()) == ["passthrough"]
    condition.reserve("rnnoise")
    assert list(capacity._voices.values()) == ["rnnoise"]
    condition.move(DenoiseEvent.TOO_SLOW, "rnnoise")
    condition.reserve("rnnoise")
    assert not capacity._voices
    condition.move(DenoiseEvent.OFF, "rnnoise")
    condition.reserve("rnnoise")
    assert not capacity._voices
    assert told == [DenoiseState.STARTING, DenoiseState.ACTIVE, DenoiseState.BYPASSED, DenoiseState.OFF]


def test_an_impossible_event_changes_nothing() -> None:
    """An event that the table does not have raises KeyError, and nobody is told."""
    told = list[str]()
    condition = Condition(LoadMonitor(Capacity(2.0), 1000), lambda: told.append("changed"))
    with pytest.raises(KeyError):
        condition.move(DenoiseEvent.READY, "passthrough")
    assert condition.state is DenoiseState.OFF and not told
