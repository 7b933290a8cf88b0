"""Two small constants of a graph that depend on how many hops a call has, and so are handed in with each."""

import numpy as np
import numpy.typing as npt

ORDER = 5  # frames that the deep filter sees


def steps(hops: int) -> npt.NDArray[np.int64]:
    """The hops of a call: int64[hops]."""
    return np.arange(hops)


def picks(hops: int) -> npt.NDArray[np.int64]:
    """Which rows of the last 4 frames and the new ones, real parts first, each hop's coefficients meet: int64[2, 10, hops].

    Coefficients are the real parts of five frames, the oldest first, then the imaginary ones. What the first ten rows come
    to is the real part of a bin, the others the imaginary one.
    """
    frames = ORDER - 1 + hops
    taps, at = np.arange(ORDER)[:, None], np.arange(hops)[None]
    real, imaginary = taps + at, frames + taps + at
    return np.stack([np.concatenate([real, imaginary]), np.concatenate([imaginary, real])]).astype(np.int64)
