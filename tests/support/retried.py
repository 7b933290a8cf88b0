"""A pytest plugin: tests marked `real_time` or `browser` may be measured again (`tests.support.late`), but not many of them in a run.

These are the tests that a machine without time can fail: sound has its pace, and a browser that starves gives up what it asked for.

A retry forgives lateness, and with it a fault that shows only now and then. One such fault costs a retry here and there; a machine
that is busy throughout costs them all over. Neither may end in a run that counts as good, so retries are counted, told, and
beyond a few of them the run fails.
"""

import os
from typing import Any

import pytest
from playwright.async_api import TimeoutError as PageTimeout

from tests.support.late import Held, measured

# Of some 450 such tests a quiet machine repeats hardly any. Eight leave room for minutes in which it has no time; more of them say that
# it had none throughout, or that something fails now and then. A test that needs its third attempt counts twice, and one that fails
# where nothing says that the machine was busy counts as three.
MOST = 8
MARKS = ("real_time", "browser")
_KEY = "measured"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """A test with one of these marks that failed is run again, with the same fixtures."""
    if not any(pyfuncitem.get_closest_marker(mark) for mark in MARKS):
        return None
    given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    held = measured(lambda: pyfuncitem.obj(**given), AssertionError, TimeoutError, PageTimeout)
    if held.attempt > 1:
        pyfuncitem.user_properties.append((_KEY, tuple(held)))
    return True


def most() -> int:
    """HUSHCAST_TEST_STRETCH allows a slow machine more."""
    return int(MOST * float(os.environ.get("HUSHCAST_TEST_STRETCH", "1")))


class Retried:
    """One run's retries. Registered for the run."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}  # tests that did not at the first attempt

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        held: Any = dict(report.user_properties).get(_KEY)
        if report.when == "call" and held is not None:
            self.held[report.nodeid] = Held(*held)

    @property
    def count(self) -> int:
        return sum(held.retries for held in self.held.values())

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Too many are an error of the run, in its exit status and in the last line, which pytest writes after this."""
        if self.count <= most():
            return
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            found = f"{self.count} retries, at most {most()} are forgiven"
            text = f"{found}: a fault that comes and goes, or too busy a machine"
            report = pytest.TestReport("retries", ("tests/support/retried.py", None, "retries"), {}, "failed", text, "teardown")
            reporter.stats.setdefault("error", []).append(report)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for nodeid, held in self.held.items():
            terminalreporter.write_line(f"measured again: {nodeid} held at attempt {held.attempt}, which counts as {held.retries}")
        if self.held:
            terminalreporter.write_line(f"retries: {self.count} in {len(self.held)} tests, at most {most()} are forgiven")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Retried(), "retries of this run")
