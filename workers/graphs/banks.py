"""The bands of the ERB scale: how upstream shares 481 bins among 32 bands."""

import math

import numpy as np
import numpy.typing as npt

from workers.graphs.configuration import BANDS, BINS

RATE_HZ, FRAME, LEAST_BINS = 48_000, 960, 2


def widths() -> list[int]:
    """Bins of each band, low ones first; each has at least two. In float32, as libdf computes them: they are rounded."""
    single = np.float32
    low, high = _erb(0.0), _erb(RATE_HZ / 2)
    step = single((high - low) / single(BANDS))
    bin_hz = single(RATE_HZ / FRAME)
    found: list[int] = []
    before, over = 0, 0
    for band in range(1, BANDS + 1):
        at = math.floor(float(_hz(single(low + single(band) * step)) / bin_hz) + 0.5)
        width = at - before - over
        over = max(LEAST_BINS - width, 0)
        found.append(max(width, LEAST_BINS))
        before = at
    found[-1] += 1  # the bin at half the rate
    found[-1] -= sum(found) - BINS
    return found


def _erb(hz: float) -> np.float32:
    single = np.float32
    return single(single(9.265) * np.log1p(single(hz) / single(24.7 * 9.265)))


def _hz(erb: np.float32) -> np.float32:
    single = np.float32
    return single(single(24.7) * single(9.265) * (np.exp(erb / single(9.265)) - single(1)))


def analysis() -> npt.NDArray[np.float32]:
    """float32[481, 32]: each column takes the mean over its band."""
    spread = synthesis().T
    return np.asarray(spread / spread.sum(axis=0, dtype=np.float32), np.float32)


def synthesis() -> npt.NDArray[np.float32]:
    """float32[32, 481]: each bin takes its band's value."""
    return np.repeat(np.eye(BANDS, dtype=np.float32), widths(), axis=1)
