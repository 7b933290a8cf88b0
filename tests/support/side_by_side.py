"""A pytest plugin for a run of several processes (pytest-xdist): most tests wait, so three of them go well side by side on two cores.

Tests marked `real_time` do not: such a test begins when no other test of the run goes on, and none begins before it has ended. Those
marked `real_time(pair=True)`, which use less than a core, go on two at a time instead. Both kinds come last, for each of them lets other
processes wait, and waits for what these have begun.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")
WORKER = "PYTEST_XDIST_WORKER"  # pytest-xdist's: the name of this process among those of the run
PLACES = ("one", "other")
LOOK_S = 0.05  # between two looks for a place


class Company(Enum):
    """Which other tests may go on beside one."""

    ORDINARY = "others of this kind"
    PAIR = "one other of this kind"
    ALONE = "none"


class Turns:
    """Locks among processes, of which each runs one test at a time. Who waits is not overtaken, for there is one entrance."""

    def __init__(self, folder: Path) -> None:
        names = ("entrance", "ordinary", "pair", *PLACES)
        self._locks = {name: os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) for name in names}

    @contextmanager
    def turn(self, company: Company) -> Iterator[None]:
        self._lock("entrance", fcntl.LOCK_EX)
        try:
            if company is not Company.ORDINARY:
                self._lock("ordinary", fcntl.LOCK_EX)
            if company is not Company.PAIR:
                self._lock("pair", fcntl.LOCK_EX)
            if company is Company.ORDINARY:
                self._lock("ordinary", fcntl.LOCK_SH)
                self._lock("pair", fcntl.LOCK_UN)
            elif company is Company.PAIR:
                self._take_place()
                self._lock("pair", fcntl.LOCK_SH)
                self._lock("ordinary", fcntl.LOCK_UN)
        finally:
            self._lock("entrance", fcntl.LOCK_UN)
        try:
            yield
        finally:
            for name in ("ordinary", "pair", *PLACES):
                self._lock(name, fcntl.LOCK_UN)

    def close(self) -> None:
        for lock in self._locks.values():
            os.close(lock)

    def _lock(self, name: str, how: int) -> None:
        fcntl.flock(self._locks[name], how)

    def _take_place(self) -> None:
        while True:
            for name in PLACES:
                try:
                    return self._lock(name, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    pass
            time.sleep(LOOK_S)


class SideBySide:
    """One process's part of it: each test, with its fixtures, takes its turn."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        with self._turns.turn(_company(item)):
            return (yield)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = in_order(items)

    def pytest_unconfigure(self) -> None:
        self._turns.close()


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """File by file (pytest-xdist hands out whole files, in this order): those with a browser, which keep both cores busy, evenly among
    ordinary ones, which mostly wait; then those with tests that go on alone, and last those with pairs, which so meet each other. In a file
    the kinds have the same order.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    kinds = {path: {_company(test) for test in tests} for path, tests in files.items()}
    in_time = [tests for path, tests in files.items() if kinds[path] == {Company.ORDINARY}]
    browsers = [tests for tests in in_time if any(test.get_closest_marker("browser") for test in tests)]
    ordinary = sorted((tests for tests in in_time if tests not in browsers), key=len, reverse=True)
    others = (path for path in files if kinds[path] != {Company.ORDINARY})
    last = sorted(others, key=lambda path: (Company.ALONE not in kinds[path], Company.ORDINARY not in kinds[path]))
    return [item for tests in [*_spread(browsers, ordinary), *map(files.__getitem__, last)] for item in sorted(tests, key=_place)]


def _spread(some: list[T], others: list[T]) -> Iterator[T]:
    """Each of `some`, and behind it its share of the others."""
    for place, each in enumerate(some):
        yield each
        yield from others[place * len(others) // len(some) : (place + 1) * len(others) // len(some)]
    if not some:
        yield from others


def _place(item: pytest.Item) -> int:
    return (Company.ORDINARY, Company.ALONE, Company.PAIR).index(_company(item))


def _company(item: pytest.Item) -> Company:
    mark = item.get_closest_marker("real_time")
    if mark is None:
        return Company.ORDINARY
    return Company.PAIR if mark.kwargs.get("pair") and item.get_closest_marker("browser") is None else Company.ALONE


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # a run of one process, or one that a test has started
        return
    folder = Path(os.environ.get("HUSHCAST_TEST_TURNS") or Path(__file__).parents[2] / "var" / "turns")
    folder.mkdir(parents=True, exist_ok=True)
    config.pluginmanager.register(SideBySide(Turns(folder)), "side by side")
