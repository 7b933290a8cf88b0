"""A pytest plugin for a run of several processes (pytest-xdist): most tests wait, so three of them go well side by side on two cores.

Tests marked `real_time` do not: such a test begins when no other test of the run goes on, and none begins before it has ended.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

WORKER = "PYTEST_XDIST_WORKER"  # pytest-xdist's: the name of this process among those of the run


class Turns:
    """A lock that many share or one has alone, among processes. Who waits to be alone is not overtaken by those who share."""

    def __init__(self, folder: Path) -> None:
        self._entrance, self._room = (os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) for name in ("entrance", "room"))

    @contextmanager
    def turn(self, *, alone: bool) -> Iterator[None]:
        fcntl.flock(self._entrance, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        finally:
            fcntl.flock(self._entrance, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._entrance)
        os.close(self._room)


class SideBySide:
    """One process's part of it: each test, with its fixtures, takes its turn."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        with self._turns.turn(alone=item.get_closest_marker("real_time") is not None):
            return (yield)

    def pytest_unconfigure(self) -> None:
        self._turns.close()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # a run of one process, or one that a test has started
        return
    folder = Path(os.environ.get("HUSHCAST_TEST_TURNS") or Path(__file__).parents[2] / "var" / "turns")
    folder.mkdir(parents=True, exist_ok=True)
    config.pluginmanager.register(SideBySide(Turns(folder)), "side by side")
