"""CUDA graphs: a hop runs a few hundred small kernels, and launching them one by one takes longer than running them."""

from typing import Any

import torch
from torch import Tensor, nn


class CudaGraphs:
    """Runs `frames` for any number of voices. Owns one captured graph for each power of two rows, captured on first use.

    Rows without a voice process silence with their own state. Results are copies, because the next call overwrites the graph's memory.
    """

    def __init__(self, frames: nn.Module, initial: Tensor) -> None:
        self._frames, self._initial = frames, initial
        self._captured: dict[int, tuple[Any, list[Tensor]]] = {}  # rows -> graph; spectrum, state, clean, after

    def __call__(self, spectrum: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        voices = len(state)
        rows = 1 << (voices - 1).bit_length()
        if rows not in self._captured:
            self._captured[rows] = self._capture(rows)
        graph, (spectrum_in, state_in, clean, after) = self._captured[rows]
        spectrum_in[:voices], state_in[:voices] = spectrum, state
        graph.replay()
        return clean[:voices].clone(), after[:voices].clone()

    def _capture(self, rows: int) -> tuple[Any, list[Tensor]]:
        state = self._initial.repeat(rows, 1)
        spectrum = torch.zeros(rows, 2, 1, 481, device=state.device)
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(3):  # libraries choose kernels and allocate memory before the capture
                self._frames(spectrum, state)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            clean, after = self._frames(spectrum, state)
        return graph, [spectrum, state, clean, after]
