"""When a broadcaster is asked for another packet time, and what loss an encoder is told to expect. Time is a number."""

import pytest

from sfu.broadcast.adaptation import MAX_REQUESTS, PATIENCE_S, REPEAT_S, ExpectedLoss, PacketTime
from sfu.denoise.capacity import Capacity

BRIEF, USUAL = 480, 960  # samples
SECOND_NS = 1_000_000_000


@pytest.fixture
def capacity() -> Capacity:
    """Two cores, one light voice."""
    made = Capacity(cores=2.0)
    made.reserve("voice", "model")
    return made


def fill(capacity: Capacity, cores: float) -> None:
    """So much is taken besides."""
    capacity.reserve("others", f"costs {cores}")
    capacity.measured(f"costs {cores}", cores, 100)


def told(packet_time: PacketTime, samples: int, began_s: float, lasts_s: float) -> dict[float, int]:
    """What is said within this time, by second; the packets stay as they are."""
    said = {began_s + at: packet_time.look(began_s + at, samples) for at in range(int(lasts_s))}
    return {at: packet_ms for at, packet_ms in said.items() if packet_ms is not None}


def test_crowded_asks_for_usual_packets_at_once(capacity: Capacity) -> None:
    """Between roomy and crowded nothing is said; from crowded on it is, only to those who send brief ones, a few times if need be."""
    packet_time = PacketTime(capacity)
    assert told(packet_time, BRIEF, 0, 300) == {}
    fill(capacity, 0.85)
    assert not capacity.roomy and not capacity.crowded
    assert told(packet_time, BRIEF, 300, 10) == {}
    fill(capacity, 1.2)
    assert capacity.crowded
    assert told(packet_time, 0, 310, 10) == told(packet_time, USUAL, 320, 10) == told(packet_time, 2880, 330, 10) == {}
    assert told(packet_time, BRIEF, 340, 300) == {340 + number * REPEAT_S: 20 for number in range(MAX_REQUESTS)}
    packet_time.begin()  # another page
    assert packet_time.look(640, BRIEF) == 20


def test_the_next_crowd_is_another_one(capacity: Capacity) -> None:
    """What was said in vain is said again when it is crowded once more, even if there was never much room between."""
    packet_time = PacketTime(capacity)
    fill(capacity, 1.2)
    assert len(told(packet_time, BRIEF, 0, 300)) == MAX_REQUESTS
    capacity.release("others")
    fill(capacity, 0.85)
    assert not capacity.crowded and not capacity.spacious
    assert told(packet_time, BRIEF, 300, 5) == {}
    capacity.release("others")
    fill(capacity, 1.2)
    assert told(packet_time, BRIEF, 305, 300) == {305 + number * REPEAT_S: 20 for number in range(MAX_REQUESTS)}


def test_brief_packets_come_back_after_a_long_time_of_room(capacity: Capacity) -> None:
    """A minute in which there would be room for everybody's; each relapse doubles it, and a minute that is interrupted begins anew."""
    packet_time = PacketTime(capacity)
    fill(capacity, 0.5)
    assert capacity.roomy and not capacity.spacious
    assert told(packet_time, USUAL, 0, 600) == {}
    capacity.release("others")
    assert capacity.spacious
    assert told(packet_time, USUAL, 600, PATIENCE_S - 1) == {}
    fill(capacity, 0.5)
    assert packet_time.look(659, USUAL) is None
    capacity.release("others")
    assert told(packet_time, USUAL, 660, PATIENCE_S + 1) == {660 + PATIENCE_S: 10}
    fill(capacity, 1.2)
    assert packet_time.look(800, BRIEF) == 20
    capacity.release("others")
    assert told(packet_time, USUAL, 801, 2 * PATIENCE_S + 1) == {801 + 2 * PATIENCE_S: 10}


def test_who_sends_others_anyway_is_left_alone(capacity: Capacity) -> None:
    """Packets of 60 ms are somebody's choice, and before the first packet there is nobody to tell."""
    packet_time = PacketTime(capacity)
    assert told(packet_time, 2880, 0, 300) == told(packet_time, 0, 300, 300) == {}


def percents(*heard: tuple[float, int]) -> list[int]:
    """Loss and for how many seconds; the percentages in force, one whenever it changes."""
    expected, now_ns, out = ExpectedLoss(), 0, [0]
    for loss, seconds in heard:
        for _ in range(seconds * 10):
            changed = expected.hear(loss, now_ns)
            assert changed is (expected.percent != out[-1])
            out += [expected.percent] * changed
            now_ns += SECOND_NS // 10
    return out


def test_up_at_once_and_down_slowly() -> None:
    """A loss is followed at the next look; ten calm seconds lead back."""
    assert percents((0.0, 60), (0.01, 5), (0.02, 1), (0.1, 1), (0.4, 1), (0.0, 9)) == [0, 5, 10, 20]
    assert percents((0.1, 1), (0.0, 11)) == [0, 10, 0]
    assert percents((0.2, 1), (0.05, 11), (0.001, 11)) == [0, 20, 5, 0]


def test_a_loss_around_a_step_does_not_flap() -> None:
    """What comes and goes around a step keeps to it."""
    assert percents(*[(0.09, 3), (0.05, 3), (0.0, 3)] * 20) == [0, 10]
