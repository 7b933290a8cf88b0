"""Real time on a machine that others use too: what failed while it had no time for us is measured again.

What waits for a processor inside the machine is counted by its kernel. What the host of a virtual machine takes from all of it is
counted by nobody in there, so a failure that nothing explains is measured again too, but once only, and it counts as several.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

MOST = 3  # measurements; the last one counts, however busy the machine is
UNEXPLAINED = 3  # retries, as which one counts that nothing explains
BUSY = 0.25  # share of the time for which somebody who could have run waited for a processor
CALM_S = 20.0  # at most, for a quieter moment before the next one
PRESSURE = Path("/proc/pressure/cpu")


class Held(NamedTuple):
    """Something that held in the end."""

    attempt: int  # 1 and up
    retries: int  # what the attempts before that one count as


def measured(measure: Callable[[], object], *late: type[BaseException]) -> Held:
    """Call `measure` until it does not raise one of `late`, or does so for the second time on a machine that had time.

    The last error is raised, and any other one.
    """
    retries = 0
    for attempt in range(1, MOST):
        began = waited()
        try:
            measure()
            return Held(attempt, retries)
        except late as error:
            busy = busy_since(began) > BUSY
            if not busy and retries >= UNEXPLAINED:
                raise
            retries += 1 if busy else UNEXPLAINED
            print(f"{'the machine was busy' if busy else 'unexplained'}, once more: {error!r:.2000}")
        calm()
    measure()
    return Held(MOST, retries)


def calm() -> None:
    """Wait for a second in which hardly anybody waits for a processor, but not for ever."""
    deadline = time.monotonic() + CALM_S
    while time.monotonic() < deadline:
        began = waited()
        time.sleep(1.0)
        if busy_since(began) < BUSY / 2:
            return


def waited() -> tuple[float, float]:
    """The time, and for how many seconds up to now somebody has waited for a processor (Documentation/accounting/psi.rst)."""
    try:
        return time.monotonic(), int(PRESSURE.read_text().split("total=")[1].split()[0]) / 1e6
    except (OSError, IndexError):  # no Linux, or one that does not count it
        return time.monotonic(), 0.0


def busy_since(began: tuple[float, float]) -> float:
    """Share of the time since then for which somebody has waited; where that is not counted, whether there is more to run than can."""
    now_s, waited_s = waited()
    if waited_s:
        return (waited_s - began[1]) / max(now_s - began[0], 1e-3)
    return float(os.getloadavg()[0] > (os.cpu_count() or 1))
