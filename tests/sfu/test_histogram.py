"""Histograms, and windows that give up what is new in them."""

from hypothesis import given
from hypothesis import strategies as st

from sfu.histogram import Histogram
from sfu.rolling_quantiles import RollingQuantiles


def test_each_value_is_in_its_range() -> None:
    """A value that equals a bound is below it; what exceeds all bounds is in the last range."""
    histogram = Histogram((1.0, 2.0))
    histogram.observe_all((0.0, 1.0, 1.5, 2.0, 2.25, 100.0))
    assert histogram.counts == [2, 2, 2]
    assert histogram.total == 106.75


@given(st.lists(st.one_of(st.none(), st.floats(0, 1000)), max_size=60), st.integers(1, 20))
def test_what_is_taken_stays_in_the_window(steps: list[float | None], size: int) -> None:
    """Taking what is fresh (None) changes no quantile, and gives each value once, the newest `size` of a long pause."""
    taken, whole = RollingQuantiles(size), RollingQuantiles(size)
    pending: list[float] = []
    for step in steps:
        if step is None:
            assert taken.take_fresh() == pending[-size:]
            pending = []
        else:
            taken.add(step)
            whole.add(step)
            pending.append(step)
        for share in (0.0, 0.5, 0.99):
            assert taken.quantile(share) == whole.quantile(share)
