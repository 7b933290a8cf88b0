"""Real time on a machine that others use too: what failed while it demonstrably had no time for us is measured again."""

import os
import time
from collections.abc import Callable
from pathlib import Path

MOST = 3  # measurements; the last one counts, however busy the machine is
BUSY = 0.25  # share of the time for which somebody who could have run waited for a processor
CALM_S = 20.0  # at most, for a quieter moment before the next one
PRESSURE = Path("/proc/pressure/cpu")


def measured(measure: Callable[[], object], *late: type[BaseException]) -> int:
    """Call `measure` until it does not raise one of `late`, or does on a machine that had time; how often that was.

    The last error is raised, and any other one.
    """
    for times in range(1, MOST):
        began = waited()
        try:
            measure()
            return times
        except late as error:
            if busy_since(began) <= BUSY:
                raise
            print(f"the machine was busy, once more: {error!r:.2000}")
        calm()
    measure()
    return MOST


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
