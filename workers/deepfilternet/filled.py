"""Puts the tensors of upstream's ONNX export into upstream's network. In the export, batch norms are folded and GRU gates reordered."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from workers.graphs.folding import GRU, LINEAR
from workers.graphs.shapes import DECODER, ENCODER, Floats, Tensors

BLOCKS = (("enc", ENCODER), ("erb_dec", DECODER), ("df_dec", ("df_convp",)))
UNUSED = ("enc.lsnr_fc", "df_dec.df_fc_a")  # heads whose output is not used here


def fill(net: nn.Module, tensors: Tensors) -> None:
    """Set every parameter of the network, which then computes the same as with the checkpoint of the export.

    Raises RuntimeError where a parameter has no tensor, or one of another shape.
    """
    left = {name for name, _ in net.named_parameters() if not name.startswith(UNUSED)}
    with torch.no_grad():
        for name, values in _parameters(net, tensors):
            parameter = net.get_parameter(name)
            if parameter.shape != values.shape:
                raise RuntimeError(f"{name} has the shape {tuple(values.shape)} and not {tuple(parameter.shape)}")
            parameter.copy_(values)
            left.discard(name)
    if left:
        raise RuntimeError(f"the export lacks {min(left)}")


def _parameters(net: nn.Module, tensors: Tensors) -> Iterator[tuple[str, Tensor]]:
    """Yield each parameter's name in upstream's network, with its values."""
    for room, blocks in BLOCKS:
        for block in blocks:
            yield from _block(net.get_submodule(f"{room}.{block}"), f"{room}.{block}", block, tensors)
    for name, theirs in LINEAR.items():
        if name in tensors:
            yield theirs, _tensor(tensors[name])
    for stack, theirs in GRU.items():
        for layer in range(net.get_submodule(theirs).num_layers):
            yield from _gru(theirs, layer, tensors, f"{stack}.{layer}")


def _block(module: Any, path: str, block: str, tensors: Tensors) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters of one or two convolutions, and of the norm after them, which then only adds a bias."""
    kernels = ["first", "second"]
    for name, part in module.named_children():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            kernel = _tensor(tensors[f"{block}.{kernels.pop(0)}"])
            yield f"{path}.{name}.weight", kernel.reshape(*kernel.shape[:2], *kernel.shape[2:] or (1, 1))
        elif isinstance(part, nn.BatchNorm2d):
            part.eps = 0.0
            part.reset_running_stats()  # to a mean of 0 and a variance of 1
            yield f"{path}.{name}.weight", torch.ones(part.num_features)
            yield f"{path}.{name}.bias", _tensor(tensors[f"{block}.shift"])


def _gru(theirs: str, layer: int, tensors: Tensors, ours: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the weights and biases of one GRU layer, with the gates reordered from z, r, n to r, z, n."""
    biases = np.split(tensors[f"{ours}.b"][0], 2)
    for kind, weight, bias in zip(("ih", "hh"), (tensors[f"{ours}.w"], tensors[f"{ours}.r"]), biases, strict=True):
        for name, values in (("weight", weight[0]), ("bias", bias)):
            update, reset, new = np.split(values, 3)
            yield f"{theirs}.{name}_{kind}_l{layer}", _tensor(np.concatenate([reset, update, new]))


def _tensor(values: Floats) -> Tensor:
    return torch.from_numpy(values.copy())  # a writable copy, as torch requires
