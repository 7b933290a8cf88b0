"""When a voice is no longer denoised in time, and when it may be again. Pure policy: the caller passes the time.

One step down when the ring's delay is over `worker.max_delay_ms` for 0.5 s, or when the median hop takes more than 80 % of its
duration for 2 s; at most one step a second; one step up after 30 quiet seconds. The steps: Opus complexity 10 → 5, then bypass.
A single stall, of the worker or of the machine, causes no step, nor do many short ones. A worker that is too slow skips packets and
so is on time for moments; therefore lateness is summed over one second, for the bypass over two. Time in which nobody called is
not counted.
"""

from collections import deque
from enum import IntEnum

LATE_S = {1.0: 0.5, 2.0: 1.2}  # window: the most lateness in it
SLOW_S = 2.0
STEP_S = 1.0
QUIET_S = 30.0
PATIENCE = 8  # after each relapse the quiet time doubles, up to this multiple of QUIET_S
SLOW_MS = 8.0  # of a hop's 10
UNWATCHED_S = 0.2  # a longer pause between two calls counts as this much
_QUIET_LATE_S = 0.2  # lateness in a second up to which the voice counts as quiet


class Step(IntEnum):
    """How much the voice's processing is reduced."""

    NONE = 0
    PLAIN = 1  # Opus complexity 5
    BYPASS = 2


COMPLEXITY = {Step.NONE: 10, Step.PLAIN: 5, Step.BYPASS: 5}
WORDS = {
    Step.NONE: "the worker keeps up: Opus complexity 10 again",
    Step.PLAIN: "the worker is at its limit: Opus complexity 5",
    Step.BYPASS: "the worker is too slow: bypassed",
}


class OverloadGuard:
    """One per broadcast. `look` is called about ten times a second, `hear` with each worker's statistics; both return the step to apply.

    scale: of all durations, below 1 in tests.
    """

    def __init__(self, max_delay_ms: float, scale: float = 1.0) -> None:
        self.step = Step.NONE
        self._max_delay_ms = max_delay_ms
        self._scale = scale
        self._watched_s = 0.0  # time that was observed, see UNWATCHED_S
        self._looked_s: float | None = None
        self._stepped_s = -STEP_S * scale
        self._late: deque[tuple[float, float]] = deque()  # (when, how long) of the last two seconds
        self._slow_since_s: float | None = None
        self._trouble_s = 0.0
        self._patience = 1
        self._rose = False  # it came back from bypass, and has not reached NONE since

    def look(self, now_s: float, delay_ms: float, skipped: bool) -> Step:
        """delay_ms: age of the oldest packet waiting for the worker, 0 if none. skipped: it has skipped packets since the last call."""
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
        """hop_ms: the median of the last `window_s` seconds, 0 if nothing was denoised."""
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
        """Seconds observed since the last call."""
        passed_s = 0.0 if self._looked_s is None else min(max(now_s - self._looked_s, 0.0), UNWATCHED_S)
        self._watched_s += passed_s
        self._looked_s = now_s
        return passed_s

    def _late_of(self, window_s: float) -> float:
        """For how many of the last seconds a packet waited too long."""
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
            self._late.clear()  # nothing is fed any more, so nothing is measured
            self._slow_since_s = None
            self._patience = min(2 * self._patience, PATIENCE) if self._rose else 1

    def _up(self) -> None:
        self._rose = True
        self.step = Step(self.step - 1)
        self._stepped_s = self._watched_s
        if self.step is Step.NONE:
            self._rose, self._patience = False, 1
