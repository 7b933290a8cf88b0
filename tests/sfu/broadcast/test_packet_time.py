"""When a broadcaster is told to send longer or shorter packets."""

import pytest

from sfu.broadcast.packet_time import AGAIN_S, MOST_TIMES, PATIENCE_S, PacketTime
from sfu.denoise.capacity import Capacity

BRIEF, USUAL = 480, 960  # samples


@pytest.fixture
def capacity() -> Capacity:
    """Two cores, one light voice."""
    made = Capacity(cores=2.0)
    made.let_in("voice", "model")
    return made


def fill(capacity: Capacity, cores: float) -> None:
    """So much is taken besides."""
    capacity.let_in("others", f"costs {cores}")
    capacity.measured(f"costs {cores}", cores, 100)


def told(brevity: PacketTime, samples: int, began_s: float, lasts_s: float) -> dict[float, int]:
    """What is said within this time, by second; the packets stay as they are."""
    said = {began_s + at: brevity.look(began_s + at, samples) for at in range(int(lasts_s))}
    return {at: packet_ms for at, packet_ms in said.items() if packet_ms is not None}


def test_crowded_asks_for_usual_packets_at_once(capacity: Capacity) -> None:
    """Between roomy and crowded nothing is said; from crowded on it is, only to those who send brief ones, a few times if need be."""
    brevity = PacketTime(capacity)
    assert told(brevity, BRIEF, 0, 300) == {}
    fill(capacity, 0.85)
    assert not capacity.roomy and not capacity.crowded
    assert told(brevity, BRIEF, 300, 10) == {}
    fill(capacity, 1.2)
    assert capacity.crowded
    assert told(brevity, 0, 310, 10) == told(brevity, USUAL, 320, 10) == told(brevity, 2880, 330, 10) == {}
    assert told(brevity, BRIEF, 340, 300) == {340 + number * AGAIN_S: 20 for number in range(MOST_TIMES)}
    brevity.begin()  # another page
    assert brevity.look(640, BRIEF) == 20


def test_the_next_crowd_is_another_one(capacity: Capacity) -> None:
    """What was said in vain is said again when it is crowded once more, even if there was never much room between."""
    brevity = PacketTime(capacity)
    fill(capacity, 1.2)
    assert len(told(brevity, BRIEF, 0, 300)) == MOST_TIMES
    capacity.let_go("others")
    fill(capacity, 0.85)
    assert not capacity.crowded and not capacity.spacious
    assert told(brevity, BRIEF, 300, 5) == {}
    capacity.let_go("others")
    fill(capacity, 1.2)
    assert told(brevity, BRIEF, 305, 300) == {305 + number * AGAIN_S: 20 for number in range(MOST_TIMES)}


def test_brief_packets_come_back_after_a_long_time_of_room(capacity: Capacity) -> None:
    """A minute in which there would be room for everybody's; each relapse doubles it, and a minute that is interrupted begins anew."""
    brevity = PacketTime(capacity)
    fill(capacity, 0.5)
    assert capacity.roomy and not capacity.spacious
    assert told(brevity, USUAL, 0, 600) == {}
    capacity.let_go("others")
    assert capacity.spacious
    assert told(brevity, USUAL, 600, PATIENCE_S - 1) == {}
    fill(capacity, 0.5)
    assert brevity.look(659, USUAL) is None
    capacity.let_go("others")
    assert told(brevity, USUAL, 660, PATIENCE_S + 1) == {660 + PATIENCE_S: 10}
    fill(capacity, 1.2)
    assert brevity.look(800, BRIEF) == 20
    capacity.let_go("others")
    assert told(brevity, USUAL, 801, 2 * PATIENCE_S + 1) == {801 + 2 * PATIENCE_S: 10}


def test_who_sends_others_anyway_is_left_alone(capacity: Capacity) -> None:
    """Packets of 60 ms are somebody's choice, and before the first packet there is nobody to tell."""
    brevity = PacketTime(capacity)
    assert told(brevity, 2880, 0, 300) == told(brevity, 0, 300, 300) == {}
