"""Upstream's blocks, rewritten for one hop: convolutions with their batch norm folded in, grouped linears, GRU steps.

All take the learnt parameters of a loaded upstream block. Folding is done in float64, so that it costs no accuracy.
Shapes: B voices, C channels, F bins, G groups, H hidden units; time is always one hop.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def parts_of(block: Iterable[nn.Module]) -> tuple[nn.Module, Tensor | None, Tensor, Tensor]:
    """(first convolution, pointwise [O, C] or None, scale [O], shift [O]) of upstream's Conv2dNormAct; the last two in float64."""
    convolutions = [part for part in block if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)]
    norm = next(part for part in block if isinstance(part, nn.BatchNorm2d))
    assert norm.running_var is not None and norm.running_mean is not None
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    shift = norm.bias.double() - norm.running_mean.double() * scale
    pointwise = convolutions[1].weight.double().flatten(1) if len(convolutions) > 1 else None
    return convolutions[0], pointwise, scale, shift


def dense_kernel(convolution: nn.Module) -> Tensor:
    """The kernel of a grouped convolution as that of an ungrouped one: float64[O, C, T, F]."""
    assert isinstance(convolution, nn.Conv2d)
    kernel = convolution.weight.double()
    out, width = kernel.shape[:2]
    dense = kernel.new_zeros(out, convolution.in_channels, *kernel.shape[2:])
    share = out // convolution.groups
    for group in range(convolution.groups):
        rows = slice(group * share, (group + 1) * share)
        dense[rows, group * width : (group + 1) * width] = kernel[rows]
    return dense


def conv(kernel: Tensor, shift: Tensor, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A float32 convolution over frequency with this kernel [O, C/groups, T, F] and bias [O]; "same" padding in F."""
    out, width, time, taps = kernel.shape
    made = nn.Conv2d(width * groups, out, (time, taps), stride=(1, stride), padding=(0, taps // 2), groups=groups)
    made.weight = nn.Parameter(kernel.float(), requires_grad=False)
    made.bias = nn.Parameter(shift.float(), requires_grad=False)
    return made


def merged(block: Iterable[nn.Module]) -> nn.Conv2d:
    """One dense convolution for upstream's grouped one + pointwise + norm: fewer calls, and little arithmetic where F is small."""
    first, pointwise, scale, shift = parts_of(block)
    assert isinstance(first, nn.Conv2d)
    kernel = dense_kernel(first)
    if pointwise is not None:
        kernel = torch.einsum("op,pctf->octf", pointwise, kernel)
    return conv(kernel * scale[:, None, None, None], shift, first.stride[1])


def scaled(block: Iterable[nn.Module]) -> nn.Conv2d:
    """Upstream's depthwise 1x1 + norm: a gain and an offset a channel."""
    first, _, scale, shift = parts_of(block)
    assert isinstance(first, nn.Conv2d) and first.kernel_size == (1, 1) and first.groups == first.in_channels
    return conv(first.weight.double() * scale[:, None, None, None], shift, groups=first.groups)


class Upsample(nn.Module):
    """Upstream's transposed convolution (depthwise, stride 2) + pointwise + norm as one convolution with two outputs a bin.

    out[2i] = w1 x[i];  out[2i + 1] = w2 x[i] + w0 x[i + 1].   float32[B, C, 1, F] -> [B, O, 1, 2F].
    """

    def __init__(self, block: Iterable[nn.Module]) -> None:
        super().__init__()
        first, pointwise, scale, shift = parts_of(block)
        assert isinstance(first, nn.ConvTranspose2d) and pointwise is not None and first.groups == first.in_channels
        taps = first.weight.double()[:, 0, 0]  # [C, 3]
        none = torch.zeros_like(taps[:, 0])
        even = torch.stack([none, taps[:, 1], none], 1)
        odd = torch.stack([none, taps[:, 2], taps[:, 0]], 1)
        kernel = torch.einsum("oc,pck->opck", pointwise * scale[:, None], torch.stack([even, odd]))  # [O, 2, C, 3]
        self.conv = conv(kernel.flatten(0, 1)[:, :, None], shift.repeat_interleave(2))

    def forward(self, x: Tensor) -> Tensor:
        both = self.conv(x)
        channels, bins = both.shape[1] // 2, both.shape[3]
        return both.reshape(-1, channels, 2, bins).transpose(2, 3).reshape(-1, channels, 1, 2 * bins)


class GroupedLinear(nn.Module):
    """Upstream's GroupedLinearEinsum for one hop: float32[B, G*I] -> [B, G*H]."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().float(), requires_grad=False)  # [G, I, H]

    def forward(self, x: Tensor) -> Tensor:
        groups, width, out = self.weight.shape
        return torch.matmul(x.reshape(-1, groups, 1, width), self.weight).reshape(-1, groups * out)


class GruStep(nn.Module):
    """One step of a stack of GRU layers: x [B, H], state [B, layers, H] -> (the last layer's output [B, H], new state)."""

    def __init__(self, gru: nn.GRU) -> None:
        super().__init__()
        self.layers = gru.num_layers
        self.gru = nn.ModuleList(_layer(gru, number) for number in range(gru.num_layers))

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        hidden = state.reshape(-1, self.layers, x.shape[-1])
        after = []
        for number, layer in enumerate(self.gru):
            _, new = layer(x[None], hidden[:, number][None])
            x = new[0]
            after.append(x)
        return x, torch.cat(after, 1)


def _layer(gru: nn.GRU, number: int) -> nn.GRU:
    """Layer `number` of a stack, on its own: the exporter makes one ONNX node of it."""
    layer = nn.GRU(gru.hidden_size if number else gru.input_size, gru.hidden_size)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        value = getattr(gru, f"{name}_l{number}").detach().float()
        setattr(layer, f"{name}_l0", nn.Parameter(value, requires_grad=False))
    return layer
