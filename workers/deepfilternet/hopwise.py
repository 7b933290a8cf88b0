"""Inputs of every graph that depend only on the number of hops in the call."""

import numpy as np
import numpy.typing as npt

ORDER = 5  # frames that the deep filter sees


def steps(hops: int) -> npt.NDArray[np.int64]:
    """The indexes of the hops in a call: int64[hops]."""
    return np.arange(hops)


def waits(hops: int, count: int) -> npt.NDArray[np.int64]:
    """Return the rows of the pathway that belong to later calls: int64[count]. The first `hops` rows belong to this one."""
    return np.arange(hops, hops + count)


def picks(hops: int) -> npt.NDArray[np.int64]:
    """Return the rows that the deep filter multiplies by each hop's coefficients: int64[2, 10, hops].

    The rows are the last 4 frames and the new ones: all real parts first, then all imaginary parts. The ten coefficients are
    the real parts for five frames, oldest first, then the imaginary parts. The first ten products sum up to the real part of a
    bin, the other ten to its imaginary part.
    """
    frames = ORDER - 1 + hops
    taps, at = np.arange(ORDER)[:, None], np.arange(hops)[None]
    real, imaginary = taps + at, frames + taps + at
    return np.stack([np.concatenate([real, imaginary]), np.concatenate([imaginary, real])]).astype(np.int64)
