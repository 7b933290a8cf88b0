"""How long a parked broadcast waits for its broadcaster. Pure: times are monotonic seconds that the caller passes."""

import math

STAYS_S = 1.0  # a source that still sends so long after parking has not left; packets in flight from a leaving page do not count


class GraceTime:
    """One per broadcast; means something only while it is parked. Time in which the process stood still does not count."""

    def __init__(self, grace_s: float) -> None:
        """grace_s: `broadcast.grace_s`."""
        self._grace_s = grace_s
        self._began_s = 0.0

    def begin(self, now_s: float) -> None:
        """The broadcaster is known to be gone, or the server is ready for a resumed broadcast."""
        self._began_s = now_s

    def hold(self) -> None:
        """Do not count before the next `begin`: the server that resumes the broadcast is not ready."""
        self._began_s = math.inf

    def is_over(self, now_s: float, standstill_end_s: float) -> bool:
        """Whether the broadcast has waited long enough. standstill_end_s: the end of this process's last standstill."""
        return now_s - max(self._began_s, standstill_end_s) > self._grace_s

    def still_sends(self, now_s: float) -> bool:
        """Whether a packet that comes now shows that the source has not left."""
        return now_s - self._began_s >= STAYS_S
