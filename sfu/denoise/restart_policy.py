"""How often a worker that fails is started again. Pure policy: the caller passes the time."""

from collections import deque

FAILURES = 3
WINDOW_S = 60.0
BACK_OFF_S = 5.0  # before a restart, once two have failed


class RestartPolicy:
    """One per voice. The first two restarts are immediate; the third failure within WINDOW_S means giving up. Where the last three
    failures lie further apart, each further restart waits BACK_OFF_S."""

    def __init__(self) -> None:
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._not_before_s = 0.0

    def failed(self, now_s: float) -> bool:
        """Take one more failure. Returns True to give up."""
        self._failures.append(now_s)
        if len(self._failures) < FAILURES:
            return False
        if now_s - self._failures[0] < WINDOW_S:
            return True
        self._not_before_s = now_s + BACK_OFF_S
        return False

    def wait_s(self, now_s: float) -> float:
        """Seconds that the next start has to wait; 0.0: none."""
        return max(0.0, self._not_before_s - now_s)

    def forgive(self) -> None:
        """Forget all failures: somebody has requested it anew."""
        self._failures.clear()
        self._not_before_s = 0.0
