"""The engine for CUDA: runs the torch module. On the CPU, where it takes twice as long, tests compare graphs with it.

A process that has initialised CUDA cannot be forked, so each one loads the weights itself, which takes a second.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from workers.deepfilternet.cuda_graphs import CudaGraphs
from workers.deepfilternet.hops import Frames
from workers.deepfilternet.upstream import load
from workers.errors import OptionError
from workers.weights.weights import Family

Floats = npt.NDArray[np.float32]


class TorchEngine:
    """Owns the module on its device. States of voices are the rows of a tensor float32[n, size] there."""

    hops = 1  # in a call: for two, `CudaGraphs` would need another captured graph

    def __init__(self, family: Family, weights: Path, device: str, post_filter: bool = False) -> None:
        """weights: a folder with config.ini and checkpoints/, or NAME_onnx.tar.gz. device: "cpu" or "cuda". Raises OptionError."""
        if device == "cuda" and not torch.cuda.is_available():
            raise OptionError("torch finds no CUDA on this machine")
        _configure_torch(device)
        try:
            net = _net(family, weights, post_filter)
            self._frames = Frames(net).to(device, memory_format=torch.channels_last).eval()  # 3x faster small convolutions
        except Exception as error:
            raise OptionError(f"{family.denoiser}: these weights cannot be loaded: {' '.join(str(error).split())}") from error
        if device == "cpu":
            _transpose(net)
        self.latency, self.look_ahead = int(net.latency), int(net.look_ahead)
        self._layout, self._device = net.state, device
        self._initial: Tensor = net.state.initial(1)[0].to(device)
        self._held: Tensor = net.state.held().to(device)
        self._run = CudaGraphs(self._frames, self._initial) if device == "cuda" else self._frames

    def open(self) -> Tensor:
        """The state of one voice that has not heard anything."""
        return self._initial[None]

    def gather(self, rows: Sequence[tuple[Tensor, int]]) -> Tensor:
        """Collect states from several tensors, each given as (tensor, row): float32[n, size]."""
        with torch.inference_mode():
            return torch.stack([states[row] for states, row in rows])

    def run(self, frames: Floats, states: Tensor) -> tuple[Floats, Tensor]:
        """Process one hop of each voice: float32[n, 2, 1, 481] and n states -> the same shapes, which the caller may change."""
        with torch.inference_mode():
            clean, after = self._run(torch.from_numpy(frames).to(self._device), states)
            return clean.contiguous().cpu().numpy(), after

    def hold(self, states: Tensor, row: int) -> None:
        """Reset all but the warm parts of the state in this row, as during the look-ahead."""
        with torch.inference_mode():
            states[row] = torch.where(self._held, self._initial, states[row])


def _configure_torch(device: str) -> None:
    """Limit torch to one core, flush denormals, and compute in full float32."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # digital silence would be slow otherwise
    if device == "cuda":
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # 10 bits of mantissa are 60 dB


def _net(family: Family, weights: Path, post_filter: bool) -> Any:
    module, _, name = family.streaming.partition(":")
    return getattr(import_module(module), name)(load(weights, post_filter)).eval()


def _transpose(net: nn.Module) -> None:
    """Store the GRUs' weights in the order in which the products of one voice read them, which saves a fifth of their time or more."""
    for layer in net.modules():
        if isinstance(layer, nn.GRU):
            for weight in (layer.weight_ih_l0, layer.weight_hh_l0):
                weight.data = weight.data.t().contiguous().t()
