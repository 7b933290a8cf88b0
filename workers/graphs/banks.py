"""The ERB bands: upstream groups 481 frequency bins into 32 bands."""

import math

import numpy as np
import numpy.typing as npt

from workers.graphs.configuration import BANDS

RATE_HZ, FRAME, LEAST_BINS = 48_000, 960, 2
EAR_Q, LEAST_HZ = 9.265, 24.7  # of the equivalent rectangular bandwidth: LEAST_HZ + frequency / EAR_Q


def widths(rate_hz: int = RATE_HZ, frame: int = FRAME, bands: int = BANDS, least: int = LEAST_BINS) -> list[int]:
    """The number of bins in each band, lowest band first; the sum is frame / 2 + 1.

    Bands are evenly spaced on the ERB scale and have at least `least` bins; a widened band takes bins from the next ones.
    Computed in float32, because libdf rounds float32 values.
    Source: Glasberg and Moore, Derivation of auditory filter shapes from notched-noise data, 1990.
    """
    single = np.float32
    low, high = _erb(0.0), _erb(rate_hz / 2)
    step = single((high - low) / single(bands))
    bin_hz = single(rate_hz / frame)
    found: list[int] = []
    before, over = 0, 0
    for band in range(1, bands + 1):
        at = math.floor(float(_hz(single(low + single(band) * step)) / bin_hz) + 0.5)
        width = at - before - over
        over = max(least - width, 0)
        found.append(max(width, least))
        before = at
    found[-1] += frame // 2 + 1 - sum(found)  # adds the bin at half the rate, removes bins that widened bands have taken
    return found


def _erb(hz: float) -> np.float32:
    single = np.float32
    return single(single(EAR_Q) * np.log1p(single(hz) / single(LEAST_HZ * EAR_Q)))


def _hz(erb: np.float32) -> np.float32:
    single = np.float32
    return single(single(LEAST_HZ) * single(EAR_Q) * (np.exp(erb / single(EAR_Q)) - single(1)))


def analysis() -> npt.NDArray[np.float32]:
    """float32[481, 32]: each column takes the mean over its band."""
    spread = synthesis().T
    return np.asarray(spread / spread.sum(axis=0, dtype=np.float32), np.float32)


def synthesis() -> npt.NDArray[np.float32]:
    """float32[32, 481]: each bin takes its band's value."""
    return np.repeat(np.eye(BANDS, dtype=np.float32), widths(), axis=1)
