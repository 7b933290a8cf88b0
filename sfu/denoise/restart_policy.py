"""How often a worker that fails is started again: the rule alone. Decides only; no clock, no I/O."""

from collections import deque

FAILURES = 3
WINDOW_S = 60.0
BACK_OFF_S = 5.0  # before a restart, once two have failed


class RestartPolicy:
    """One voice's. Two restarts come at once; the third failure within WINDOW_S is one too often. Where the last three lie
    further apart, each further restart is made only BACK_OFF_S after its failure."""

    def __init__(self) -> None:
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._not_before_s = 0.0

    def failed(self, now_s: float) -> bool:
        """One more failure. True: give up."""
        self._failures.append(now_s)
        if len(self._failures) < FAILURES:
            return False
        if now_s - self._failures[0] < WINDOW_S:
            return True
        self._not_before_s = now_s + BACK_OFF_S
        return False

    def wait_s(self, now_s: float) -> float:
        """How long the next start has to wait; 0.0: not at all."""
        return max(0.0, self._not_before_s - now_s)

    def forgive(self) -> None:
        """Somebody wishes it anew: as if nothing had failed."""
        self._failures.clear()
        self._not_before_s = 0.0
