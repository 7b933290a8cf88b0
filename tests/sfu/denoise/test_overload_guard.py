"""The guard's table: what was seen, second by second, and the step that it leads to."""

from collections.abc import Callable

import pytest

from sfu.denoise.overload_guard import PATIENCE, QUIET_S, OverloadGuard, Step

TICK_S = 0.1
Seen = Callable[[float], tuple[float, float]]  # seconds -> (delay_ms, hop_ms)


class Watched:
    """A guard and its clock: a look ten times a second, statistics once."""

    def __init__(self) -> None:
        self.guard = OverloadGuard(max_delay_ms=60)
        self.ticks = 0
        self.steps = [(0.0, Step.NONE)]  # when it went to which

    def watch(self, seconds: float, delay_ms: float = 0.0, hop_ms: float = 0.9, skipped: bool = False) -> Step:
        for _ in range(round(seconds / TICK_S)):
            self.ticks += 1
            now_s = self.ticks * TICK_S
            step = self.guard.look(now_s, delay_ms, skipped)
            if self.ticks % 10 == 0:
                step = self.guard.hear(now_s, hop_ms, 1.0)
            if step is not self.steps[-1][1]:
                self.steps.append((now_s, step))
        return self.guard.step

    def stall(self, seconds: float) -> None:
        """Nobody looks for so long."""
        self.ticks += round(seconds / TICK_S)


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.mark.parametrize(
    ("seconds", "delay_ms", "hop_ms", "step"),
    [
        (60, 0, 0.9, Step.NONE),
        (60, 59, 7.9, Step.NONE),
        (0.4, 100, 0.9, Step.NONE),
        (0.7, 100, 0.9, Step.PLAIN),
        (1.4, 100, 0.9, Step.PLAIN),
        (2.0, 100, 0.9, Step.BYPASS),
        (1, 0, 9.0, Step.NONE),
        (2, 0, 9.0, Step.PLAIN),
        (3, 0, 9.0, Step.BYPASS),
        (60, 0, 9.0, Step.BYPASS),
    ],
)
def test_down(watched: Watched, seconds: float, delay_ms: float, hop_ms: float, step: Step) -> None:
    """Late for half a second or slow for two leads a step down, and one a second further."""
    watched.watch(10)
    watched.watch(seconds, delay_ms, hop_ms)
    assert watched.guard.step is step
    assert all(later[0] - earlier[0] >= 0.99 for earlier, later in zip(watched.steps, watched.steps[1:], strict=False))


def test_one_stall_is_no_reason(watched: Watched) -> None:
    """A stall of half a second, of the worker or of all, again and again, changes nothing; one long stall of all neither."""
    for _ in range(10):
        watched.watch(0.4, delay_ms=300)
        watched.watch(0.1, skipped=True)
        watched.watch(5)
        watched.stall(20)
        watched.watch(0.2, delay_ms=20_000)
        watched.watch(3)
        watched.watch(1, hop_ms=50)
        watched.watch(3)
    assert watched.steps == [(0.0, Step.NONE)]


def test_skipping_is_being_late(watched: Watched) -> None:
    """A worker that skips is on time for a moment only: its lateness goes on."""
    for _ in range(3):
        watched.watch(0.2, delay_ms=150)
        watched.watch(0.1, skipped=True)
        watched.watch(0.2, delay_ms=30)
    assert watched.guard.step is Step.PLAIN


def test_up(watched: Watched) -> None:
    """Thirty quiet seconds lead one step up, and trouble begins them anew."""
    watched.watch(3, hop_ms=9.5)
    assert watched.guard.step is Step.BYPASS
    assert watched.watch(QUIET_S - 1) is Step.BYPASS
    assert watched.watch(2) is Step.PLAIN
    watched.watch(20)
    watched.watch(0.4, delay_ms=100)
    assert watched.watch(20) is Step.PLAIN
    assert watched.watch(11) is Step.NONE


def test_relapses(watched: Watched) -> None:
    """Who is too slow again right after the bypass is left in peace twice as long each time."""
    waits, last = [], 0.0
    for _ in range(6):
        watched.watch(5, hop_ms=9.5)
        assert watched.guard.step is Step.BYPASS
        last = watched.ticks
        while watched.watch(1) is Step.BYPASS:
            pass
        waits.append((watched.ticks - last) * TICK_S / QUIET_S)
    assert waits == pytest.approx([1, 2, 4, PATIENCE, PATIENCE, PATIENCE], rel=0.15)
