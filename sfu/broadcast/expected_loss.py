"""The loss that an encoder is told to expect: the listeners' worst, in steps, quick up and slow down. No clock of its own."""

STEPS = ((0.15, 20), (0.07, 10), (0.015, 5))  # from this share on, so many percent
CALM_NS = 10_000_000_000  # below half of a step for so long leads one step down
_SHARE = {percent: share for share, percent in STEPS} | {0: 0.0}


class ExpectedLoss:
    """`percent` is 0, 5, 10 or 20. Each change makes an encoder change its codec, so that it follows trends, not reports."""

    def __init__(self) -> None:
        self.percent = 0
        self._calm_since_ns: int | None = None

    def hear(self, loss: float, now_ns: int) -> bool:
        """The worst share lost lately, in [0, 1]; called a few times a second. True: `percent` is another one now."""
        before = self.percent
        wanted = next((percent for share, percent in STEPS if loss >= share), 0)
        if wanted > self.percent:
            self.percent = wanted
        if self.percent == 0 or loss >= _SHARE[self.percent] / 2:
            self._calm_since_ns = None
        elif self._calm_since_ns is None:
            self._calm_since_ns = now_ns
        elif now_ns - self._calm_since_ns >= CALM_NS:
            self.percent, self._calm_since_ns = wanted, None
        return self.percent != before
