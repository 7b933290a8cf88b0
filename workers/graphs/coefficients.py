"""The deep filter: each bin becomes the complex sum of its last five frames times their coefficients."""

import numpy as np

from workers.graphs.configuration import LOW_BINS, ORDER
from workers.graphs.embedding import Embedding
from workers.graphs.shapes import Floats
from workers.graphs.writer import Writer

TAPS = 2 * ORDER


def coefficients(w: Writer, embedding: Embedding, rows: str, pathway: str, weight: Floats) -> str:
    """GRU rows [T, B, H] and the pathway [B, 10, T, 96] -> coefficients [B, 10, T, 96]."""
    groups, inner, _ = weight.shape
    bins = LOW_BINS // groups
    by_tap = weight.reshape(groups, inner, bins, ORDER, 2).transpose(0, 1, 4, 3, 2).reshape(groups, inner, TAPS * bins)
    wide = w.add("Tanh", embedding.linear(embedding.grouped(rows, groups), by_tap))  # [G, T, B, 10 * bins]
    wide = w.transpose(w.reshape(wide, 0, 0, 0, TAPS, bins), 2, 3, 1, 0, 4)  # [B, 10, T, G, bins]
    return w.add("Add", w.reshape(wide, 0, 0, 0, LOW_BINS), pathway)


def filtered(w: Writer, frames: str, coefficients: str, picked: str) -> str:
    """Frames [B, 2, 4 + T, 96] and coefficients [B, 10, T, 96] -> [B, 2, T, 96]."""
    met = w.add("Gather", w.reshape(frames, 0, -1, LOW_BINS), picked, axis=1)  # [B, 2, 10, T, 96]
    products = w.add("Mul", met, w.add("Unsqueeze", coefficients, np.array([1], np.int64)))
    signs = np.zeros((2, 2 * TAPS), np.float32)
    signs[0, :ORDER], signs[0, ORDER:TAPS], signs[1, TAPS:] = 1, -1, 1
    hop_rows = w.reshape(products, 0, 2 * TAPS, -1)  # [B, 20, T * 96]
    return w.reshape(w.add("MatMul", signs, hop_rows), 0, 2, -1, LOW_BINS)
