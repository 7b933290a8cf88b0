"""Limits the messages a second of one socket, or of several that share a limit."""

from collections import Counter, deque
from collections.abc import Hashable


class MessageRate:
    """Remembers the last `rate` messages and their senders. When more come within a second, the sender of most of them is too fast.

    So one fast sender cannot get the others that share the limit disconnected.
    """

    def __init__(self, rate: int) -> None:
        """rate: messages a second."""
        self._recent: deque[tuple[float, Hashable]] = deque(maxlen=rate)

    def too_fast(self, sender: Hashable, now: float) -> Hashable | None:
        """Count a message of `sender`. Returns who is too fast, which may be another sender; None: nobody. now: in seconds."""
        recent = self._recent
        full = len(recent) == recent.maxlen and now - recent[0][0] < 1.0
        recent.append((now, sender))
        if not full:
            return None
        counts = Counter(each for _, each in recent)
        greedy = max(counts, key=lambda each: (counts[each], each is sender))
        self._recent = deque((entry for entry in recent if entry[1] is not greedy), maxlen=recent.maxlen)
        return greedy
