"""Grouped linear layers and GRUs, between the convolutions.

GRUs want rows [T, B, H]: the hops first. Grouped layers want their groups first: [G, T, B, in] times [G, 1, in, out] is one
product a group. So layers that follow each other share the groups, and what lies between is one transpose of whole rows.
"""

import numpy as np

from workers.graphs.configuration import CHANNELS, Configuration
from workers.graphs.memory import Memory
from workers.graphs.shapes import Floats, Tensors
from workers.graphs.state_layout import Part
from workers.graphs.writer import Writer


def parts(of: Configuration) -> tuple[Part, ...]:
    """The GRUs' states."""
    layers = {"encoder": 1, "mask": of.mask_layers, "filter": of.filter_layers}
    return tuple(Part(f"{stack}{number}", (of.hidden,)) for stack, count in layers.items() for number in range(count))


class Embedding:
    """Writes what is between the convolutions."""

    def __init__(self, w: Writer, memory: Memory, tensors: Tensors, of: Configuration) -> None:
        self._w, self._memory, self._tensors, self._of = w, memory, tensors, of

    def grouped_bins(self, x: str, groups: int, bins: int) -> str:
        """float32[B, 64, T, F] -> [G, T, B, F * 64 / G], as upstream's linear layers take it: bin by bin."""
        rows = self._w.reshape(self._w.transpose(x, 0, 2, 3, 1), 0, 0, groups, bins * CHANNELS // groups)
        return self._w.transpose(rows, 2, 1, 0, 3)

    def grouped(self, rows: str, groups: int) -> str:
        """float32[T, B, H] -> [G, T, B, H / G]."""
        return self._w.transpose(self._w.reshape(rows, 0, 0, groups, self._of.hidden // groups), 2, 0, 1, 3)

    def rows(self, x: str) -> str:
        """float32[G, T, B, H / G] -> [T, B, H]."""
        return self._w.reshape(self._w.transpose(x, 1, 2, 0, 3), 0, 0, self._of.hidden)

    def linear(self, x: str, weight: Floats) -> str:
        """float32[G, T, B, in] -> [G, T, B, out]."""
        return self._w.add("MatMul", x, np.ascontiguousarray(weight[:, None]))

    def relu(self, x: str) -> str:
        return self._w.add("Relu", x)

    def weight(self, name: str, groups: int) -> Floats:
        """A grouped layer's weights as those of `groups` groups."""
        return coarsened(self._tensors[name], groups)

    def gru(self, stack: str, layers: int, rows: str) -> str:
        """The last layer's rows of a stack: [T, B, H] -> the same."""
        for number in range(layers):
            name = f"{stack}.{number}"
            w, r, b = (self._tensors[f"{name}.{letter}"] for letter in "wrb")
            before = self._memory.was(f"{stack}{number}", 1, -1, self._of.hidden)
            every, last = self._w.several("GRU", 2, rows, w, r, b, "", before, hidden_size=self._of.hidden, linear_before_reset=1)
            self._memory.becomes(f"{stack}{number}", last)
            rows = self._w.add("Squeeze", every, np.array([1], np.int64))
        return rows


def coarsened(weight: Floats, groups: int) -> Floats:
    """float32[G, in, out] with fewer groups, each a block diagonal of the finer ones: [groups, in * G / groups, out * G / groups]."""
    finer, inner, outer = weight.shape
    share = finer // groups
    made = np.zeros((groups, share, inner, share, outer), np.float32)
    for each in range(share):
        made[:, each, :, each] = weight.reshape(groups, share, inner, outer)[:, each]
    return made.reshape(groups, share * inner, share * outer)
