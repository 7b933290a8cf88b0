"""When a voice is no longer cleaned in time, and when it may be again. Decides only; no clock, no I/O.

Design, "A real-time guard": a step down when the ring's delay is over `worker.max_delay_ms` for 0.5 s, or the median hop takes
more than 80 % of its time for 2 s; at most one step a second; a step up after 30 quiet seconds. The steps: Opus complexity
10 → 5, then bypass. One stall, of the worker or of the whole machine, is no reason: time that was not watched is not counted.
"""

from enum import IntEnum

LATE_S = 0.5
SLOW_S = 2.0
STEP_S = 1.0
QUIET_S = 30.0
PATIENCE = 8  # after each relapse the quiet time doubles, up to so many times QUIET_S
SLOW_MS = 8.0  # of a hop's 10
UNWATCHED_S = 0.2  # a longer pause between two looks counts as this much
_FORGIVEN_S = 0.3  # lateness that is interrupted for less than this goes on: a worker that skips is late again at once


class Step(IntEnum):
    """How far down the voice is."""

    NONE = 0
    PLAIN = 1  # Opus complexity 5
    BYPASS = 2


COMPLEXITY = {Step.NONE: 10, Step.PLAIN: 5, Step.BYPASS: 5}


class Guard:
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
        self._late_since_s: float | None = None
        self._late_seen_s = 0.0
        self._slow_since_s: float | None = None
        self._trouble_s = 0.0
        self._patience = 1
        self._rose = False  # from bypass, and was not well since

    def look(self, now_s: float, delay_ms: float, skipped: bool) -> Step:
        """delay_ms: age of the oldest packet that waits for the worker, 0 where none does. skipped: packets were passed over since."""
        self._pass(now_s)
        if delay_ms > self._max_delay_ms or skipped:
            self._late_seen_s = self._trouble_s = self._watched_s
            if self._late_since_s is None:
                self._late_since_s = self._watched_s
            if self._lasted(self._late_since_s, LATE_S):
                self._down()
        elif self._late_since_s is not None and self._lasted(self._late_seen_s, _FORGIVEN_S):
            self._late_since_s = None
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

    def _pass(self, now_s: float) -> None:
        if self._looked_s is not None:
            self._watched_s += min(max(now_s - self._looked_s, 0.0), UNWATCHED_S)
        self._looked_s = now_s

    def _lasted(self, since_s: float, least_s: float) -> bool:
        return self._watched_s - since_s >= least_s * self._scale - 1e-9

    def _down(self) -> None:
        if self.step is Step.BYPASS or not self._lasted(self._stepped_s, STEP_S):
            return
        self.step = Step(self.step + 1)
        self._stepped_s = self._watched_s
        if self.step is Step.BYPASS:
            self._late_since_s = self._slow_since_s = None  # nothing is fed any more, so nothing is known
            self._patience = min(2 * self._patience, PATIENCE) if self._rose else 1

    def _up(self) -> None:
        self._rose = True
        self.step = Step(self.step - 1)
        self._stepped_s = self._watched_s
        if self.step is Step.NONE:
            self._rose, self._patience = False, 1
