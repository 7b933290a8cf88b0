"""The waveform's outline: the lowest and highest sample of every 10 ms, stored beside the recording as NAME.peaks."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SAMPLES = 480  # 10 ms at 48 kHz: one pair of int16 in the file


def peaks_of(block: NDArray[np.int16]) -> NDArray[np.int16]:
    """int16[n] -> int16[ceil(n / 480), 2]: the lowest and highest sample of every 10 ms."""
    at = np.arange(0, len(block), SAMPLES)
    pairs: NDArray[np.int16] = np.stack([np.minimum.reduceat(block, at), np.maximum.reduceat(block, at)], axis=1)
    return pairs.astype("<i2", copy=False)


def outline(path: Path, points: int) -> list[list[float]]:
    """A file of peaks resampled to `points` pairs [min, max] in [-1, 1]; none for an empty file. Raises OSError."""
    pairs = np.fromfile(path, "<i2")
    pairs = pairs[: len(pairs) // 2 * 2].reshape(-1, 2)
    if not len(pairs):
        return []
    at = np.arange(points) * len(pairs) // points
    low, high = np.minimum.reduceat(pairs[:, 0], at), np.maximum.reduceat(pairs[:, 1], at)
    drawn: list[list[float]] = np.round(np.stack([low, high], axis=1) / 32768, 4).tolist()
    return drawn
