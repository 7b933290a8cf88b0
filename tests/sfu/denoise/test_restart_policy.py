"""How often a worker that fails is started again; the times are numbers."""

import pytest

from sfu.denoise.restart_policy import BACK_OFF_S, WINDOW_S, RestartPolicy


def test_two_restarts_at_once_then_none() -> None:
    """The third failure within a minute is one too often."""
    retries = RestartPolicy()
    assert [retries.failed(100.0 + n) for n in range(3)] == [False, False, True]


def test_far_apart_they_wait() -> None:
    """Where three failures take longer than a minute, it goes on, each time a while later."""
    retries = RestartPolicy()
    for n in range(5):
        now_s = n * WINDOW_S / 2
        assert not retries.failed(now_s)
        assert retries.wait_s(now_s) == (BACK_OFF_S if n >= 2 else 0.0)
    assert retries.wait_s(now_s + 2.0) == pytest.approx(BACK_OFF_S - 2.0) and retries.wait_s(now_s + 100.0) == 0.0


def test_a_quick_third_after_slow_ones_ends_it() -> None:
    """Only the last three count."""
    retries = RestartPolicy()
    times_s = (0.0, 40.0, 80.0, 81.0)
    assert [retries.failed(now_s) for now_s in times_s] == [False, False, False, True]


def test_what_is_forgiven_is_forgotten() -> None:
    """After `forgive` it may fail as often as at first, and nothing has to wait."""
    retries = RestartPolicy()
    for now_s in (0.0, 40.0, 80.0):
        retries.failed(now_s)
    retries.forgive()
    assert retries.wait_s(80.0) == 0.0 and not retries.failed(81.0) and not retries.failed(82.0)
