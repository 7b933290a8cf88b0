"""What an encoder is told of the listeners' loss. Time is a number."""

from sfu.broadcast.expected_loss import ExpectedLoss

SECOND_NS = 1_000_000_000


def told(*heard: tuple[float, int]) -> list[int]:
    """Loss and for how many seconds; the percentages in force, one whenever it changes."""
    foreseen, now_ns, out = ExpectedLoss(), 0, [0]
    for loss, seconds in heard:
        for _ in range(seconds * 10):
            changed = foreseen.hear(loss, now_ns)
            assert changed is (foreseen.percent != out[-1])
            out += [foreseen.percent] * changed
            now_ns += SECOND_NS // 10
    return out


def test_up_at_once_and_down_slowly() -> None:
    """A loss is followed at the next look; ten calm seconds lead back."""
    assert told((0.0, 60), (0.01, 5), (0.02, 1), (0.1, 1), (0.4, 1), (0.0, 9)) == [0, 5, 10, 20]
    assert told((0.1, 1), (0.0, 11)) == [0, 10, 0]
    assert told((0.2, 1), (0.05, 11), (0.001, 11)) == [0, 20, 5, 0]


def test_a_loss_around_a_step_does_not_flap() -> None:
    """What comes and goes around a step keeps to it."""
    assert told(*[(0.09, 3), (0.05, 3), (0.0, 3)] * 20) == [0, 10]
