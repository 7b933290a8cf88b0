"""How many messages a second may come over one socket, or over several that share one bucket."""

from collections import Counter, deque
from collections.abc import Hashable


class MessageRate:
    """The last messages and who sent each. Where there are too many within a second, whoever sent most of them is too fast.

    So one of several senders cannot have the others thrown out.
    """

    def __init__(self, rate: int) -> None:
        """rate: messages a second."""
        self._recent: deque[tuple[float, Hashable]] = deque(maxlen=rate)

    def too_fast(self, sender: Hashable, now: float) -> Hashable | None:
        """A message has come. Who has to go for it: the sender, or another one whose messages it comes on top of; None: nobody."""
        recent = self._recent
        full = len(recent) == recent.maxlen and now - recent[0][0] < 1.0
        recent.append((now, sender))
        if not full:
            return None
        counts = Counter(each for _, each in recent)
        greedy = max(counts, key=lambda each: (counts[each], each is sender))
        self._recent = deque((entry for entry in recent if entry[1] is not greedy), maxlen=recent.maxlen)
        return greedy
