"""When a voice is no longer cleaned in time, and when it may be again. Decides only; no clock, no I/O.

Design, "A real-time guard": a step down when the ring's delay is over `worker.max_delay_ms` for 0.5 s, or the median hop takes
more than 80 % of its time for 2 s; at most one step a second; a step up after 30 quiet seconds. The steps: Opus complexity
10 → 5, then bypass. One stall, of the worker or of the whole machine, is no reason, nor are many short ones: a worker that is
too slow skips, and so is on time for moments; lateness is therefore summed over a second, for the bypass over two, and time
that was not watched is not counted.
"""

from collections import deque
from enum import IntEnum

LATE_S = {1.0: 0.5, 2.0: 1.2}  # late in sum for longer than this, of so long
SLOW_S = 2.0
STEP_S = 1.0
QUIET_S = 30.0
PATIENCE = 8  # after each relapse the quiet time doubles, up to so many times QUIET_S
SLOW_MS = 8.0  # of a hop's 10
UNWATCHED_S = 0.2  # a longer pause between two looks counts as this much
_QUIET_LATE_S = 0.2  # of a second; less is no trouble


class Step(IntEnum):
    """How far down the voice is."""

    NONE = 0
    PLAIN = 1  # Opus complexity 5
    BYPASS = 2


COMPLEXITY = {Step.NONE: 10, Step.PLAIN: 5, Step.BYPASS: 5}
WORDS = {
    Step.NONE: "the worker keeps up, with all care again",
    Step.PLAIN: "the worker is at its limit: Opus complexity 5",
    Step.BYPASS: "the worker is too slow: bypassed",
}


class OverloadGuard:
    """One broadcast's. `look` is called some ten times a second, `hear` with each worker's statistics; both give the step to be on.

    scale: of all durations, below 1 for tests.
    """

    def __init__(self, max_delay_ms: float, scale: float = 1.0) -> None:
        self.step = Step.NONE
        self._max_delay_ms = max_delay_ms
        self._scale = scale
        self._watched_s = 0.0  # the guard's own clock: what it saw pass
        self._looked_s: float | None = None
        self._stepped_s = -STEP_S * scale
        self._late: deque[tuple[float, float]] = deque()  # when, and for how long: of the last two seconds
        self._slow_since_s: float | None = None
        self._trouble_s = 0.0
        self._patience = 1
        self._rose = False  # from bypass, and was not well since

    def look(self, now_s: float, delay_ms: float, skipped: bool) -> Step:
        """delay_ms: age of the oldest packet that waits for the worker, 0 where none does. skipped: packets were passed over since."""
        passed_s = self._pass(now_s)
        if delay_ms > self._max_delay_ms or skipped:
            self._late.append((self._watched_s, passed_s))
            window_s = 1.0 if self.step is Step.NONE else 2.0
            if self._late_of(window_s) > LATE_S[window_s] * self._scale + 1e-9:
                self._down()
            if self._late_of(1.0) > _QUIET_LATE_S * self._scale:
                self._trouble_s = self._watched_s
        if self.step is not Step.NONE and self._lasted(max(self._trouble_s, self._stepped_s), QUIET_S * self._patience):
            self._up()
        return self.step

    def hear(self, now_s: float, hop_ms: float, window_s: float) -> Step:
        """hop_ms: the median of the last `window_s` seconds, 0 where nothing was cleaned."""
        self._pass(now_s)
        if hop_ms <= SLOW_MS:
            self._slow_since_s = None
            return self.step
        self._trouble_s = self._watched_s
        if self._slow_since_s is None:
            self._slow_since_s = self._watched_s - window_s * self._scale
        if self._lasted(self._slow_since_s, SLOW_S):
            self._down()
        return self.step

    def _pass(self, now_s: float) -> float:
        """Seconds that were watched since the last look."""
        passed_s = 0.0 if self._looked_s is None else min(max(now_s - self._looked_s, 0.0), UNWATCHED_S)
        self._watched_s += passed_s
        self._looked_s = now_s
        return passed_s

    def _late_of(self, window_s: float) -> float:
        """How many of the last seconds a packet waited for too long."""
        while self._late and self._lasted(self._late[0][0], 2.0):
            self._late.popleft()
        return sum(late_s for at_s, late_s in self._late if not self._lasted(at_s, window_s))

    def _lasted(self, since_s: float, least_s: float) -> bool:
        return self._watched_s - since_s >= least_s * self._scale - 1e-9

    def _down(self) -> None:
        if self.step is Step.BYPASS or not self._lasted(self._stepped_s, STEP_S):
            return
        self.step = Step(self.step + 1)
        self._stepped_s = self._watched_s
        if self.step is Step.BYPASS:
            self._late.clear()  # nothing is fed any more, so nothing is known
            self._slow_since_s = None
            self._patience = min(2 * self._patience, PATIENCE) if self._rose else 1

    def _up(self) -> None:
        self._rose = True
        self.step = Step(self.step - 1)
        self._stepped_s = self._watched_s
        if self.step is Step.NONE:
            self._rose, self._patience = False, 1
