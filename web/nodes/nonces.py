"""The nonces of signed requests that were taken lately: none is taken twice. Without a clock: the time is an argument."""

from collections import OrderedDict

MOST = 50_000  # 5,000 requests a second for ten seconds; some 6 MB


class Nonces:
    """Keeps each nonce until its request would be refused for its age.

    Bounded. When it is full new requests lose: a nonce that is forgotten could be replayed.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._until: OrderedDict[str, float] = OrderedDict()  # in the order of arrival, which is nearly that of the ends

    def __len__(self) -> int:
        return len(self._until)

    @property
    def is_full(self) -> bool:
        """Whether none can be taken now; `drop` makes room."""
        return len(self._until) >= self._most

    def drop(self, now_s: float) -> None:
        """Forget what is over. One that outlasts its followers keeps them for at most as long as a clock may be ahead."""
        while self._until and next(iter(self._until.values())) < now_s:
            self._until.popitem(last=False)

    def take(self, nonce: str, until_s: float) -> bool:
        """Keep a nonce until then. False: it has been taken before."""
        if nonce in self._until:
            return False
        self._until[nonce] = until_s
        return True
