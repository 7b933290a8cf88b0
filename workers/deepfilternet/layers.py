"""Upstream's layers, rewritten for single hops: convolutions with their batch norm folded in, grouped linear layers, GRU steps.

Each takes its parameters from a loaded upstream layer. Folding is done in float64, so that it costs no accuracy.
Shapes: B rows, each one hop of a voice (the hops of a voice are consecutive rows), C channels, F bins, G groups, H hidden units.
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
    """Upstream's grouped convolution + pointwise + norm as one dense convolution: fewer calls, and little arithmetic where F is small."""
    first, pointwise, scale, shift = parts_of(block)
    assert isinstance(first, nn.Conv2d)
    kernel = dense_kernel(first)
    if pointwise is not None:
        kernel = torch.einsum("op,pctf->octf", pointwise, kernel)
    return conv(kernel * scale[:, None, None, None], shift, first.stride[1])


def over_channels(convolution: nn.Conv2d) -> nn.Conv2d:
    """The same convolution for frames that are given as channels, oldest first: its input is [B, T * C, 1, F] instead of [B, C, T, F]."""
    assert convolution.bias is not None
    kernel = convolution.weight.transpose(1, 2).flatten(1, 2)[:, :, None]
    return conv(kernel, convolution.bias, convolution.stride[1])


class Gain(nn.Module):
    """Upstream's depthwise 1x1 + norm: a gain and an offset for each channel."""

    def __init__(self, block: Iterable[nn.Module]) -> None:
        super().__init__()
        first, _, scale, shift = parts_of(block)
        assert isinstance(first, nn.Conv2d) and first.kernel_size == (1, 1) and first.groups == first.in_channels
        self.gain = nn.Parameter((first.weight.double().flatten() * scale)[:, None, None].float(), requires_grad=False)
        self.shift = nn.Parameter(shift[:, None, None].float(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.shift, x, self.gain)  # torch would run 64 slow convolutions instead, which take 2 of the 3 ms of a hop


class Pair(nn.Module):
    """Upstream's depthwise convolution, then pointwise + norm: one call more than `merged`, less arithmetic; it pays where F is large."""

    def __init__(self, block: Iterable[nn.Module]) -> None:
        super().__init__()
        first, pointwise, scale, shift = parts_of(block)
        assert isinstance(first, nn.Conv2d) and pointwise is not None
        assert first.groups == first.in_channels == first.out_channels and (first.kernel_size, first.stride) == ((1, 3), (1, 2))
        self.taps = nn.Parameter(first.weight.detach().float(), requires_grad=False)  # [C, 1, 1, 3]
        self.second = conv((pointwise * scale[:, None])[:, :, None, None], shift)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.pad(x, (1, 1))  # no depthwise convolution, which is slow in torch
        left, middle, right = self.taps.permute(3, 1, 0, 2)[..., None].unbind(0)
        sums = torch.addcmul(x[..., :-2:2] * left[0], x[..., 1:-1:2], middle[0])
        return self.second(torch.addcmul(sums, x[..., 2::2], right[0]))


class Upsampling(nn.Module):
    """Upstream's depthwise transposed convolution (stride 2) + pointwise + norm: [B, C, 1, F] -> [B, O, 1, 2F].

    Computed by a convolution with two taps that yields the even and the odd bins: out[2i] = k1 x[i], out[2i + 1] = k2 x[i] + k0 x[i + 1].
    """

    def __init__(self, block: Iterable[nn.Module]) -> None:
        super().__init__()
        first, pointwise, scale, shift = parts_of(block)
        assert isinstance(first, nn.ConvTranspose2d) and pointwise is not None and first.groups == first.in_channels
        assert (first.kernel_size, first.stride, first.padding, first.output_padding) == ((1, 3), (1, 2), (0, 1), (0, 1))
        kernel = torch.einsum("oc,cptf->octf", pointwise * scale[:, None], first.weight.double())
        taps = kernel.new_zeros(len(kernel), 2, kernel.shape[1], 1, 2)  # [O, (even, odd), C, 1, (i, i + 1)]
        taps[:, 0, :, :, 0], taps[:, 1, :, :, 0], taps[:, 1, :, :, 1] = kernel[..., 1], kernel[..., 2], kernel[..., 0]
        self.conv = conv(taps.flatten(0, 1), shift.repeat_interleave(2))
        self.conv.padding = (0, 0)
        self.out = len(kernel)

    def forward(self, x: Tensor, bins: int) -> Tensor:
        both = self.conv(nn.functional.pad(x, (0, 1)))  # a zero above the last bin
        return both.reshape(-1, self.out, 2, bins).transpose(2, 3).reshape(-1, self.out, 1, 2 * bins)


class GroupedLinear(nn.Module):
    """Upstream's GroupedLinearEinsum: [B, G*I] -> [B, G*H]. One product for each group, whatever the size of the batch."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().float(), requires_grad=False)  # [G, I, H]
        self.groups, self.width, self.out = weight.shape

    def forward(self, x: Tensor) -> Tensor:
        product = torch.matmul(x.reshape(-1, self.groups, self.width).transpose(0, 1), self.weight)
        return product.transpose(0, 1).reshape(-1, self.groups * self.out)


class SideBySide(nn.Module):
    """Several grouped linear layers of the same input, as one product: float32[B, G*I] -> the output of each.

    G is the smallest number of groups; a layer with more groups becomes block diagonal.
    """

    def __init__(self, *weights: Tensor) -> None:
        super().__init__()
        groups = min(len(weight) for weight in weights)
        blocks = [torch.stack([torch.block_diag(*share) for share in weight.detach().unflatten(0, (groups, -1))]) for weight in weights]
        self.weight = nn.Parameter(torch.cat(blocks, 2).float(), requires_grad=False)  # [G, I, all H]
        self.groups, self.width, _ = self.weight.shape
        self.outs = [block.shape[2] for block in blocks]

    def forward(self, x: Tensor) -> list[Tensor]:
        product = torch.matmul(x.reshape(-1, self.groups, self.width).transpose(0, 1), self.weight).transpose(0, 1)
        return [part.reshape(-1, self.groups * out) for part, out in zip(torch.split(product, self.outs, 2), self.outs, strict=True)]


class GruStep(nn.Module):
    """T steps of a stack of GRU layers: input [B * T, H] and each layer's state [B, H] -> (output of the last layer, new states)."""

    def __init__(self, gru: nn.GRU) -> None:
        super().__init__()
        self.width = gru.input_size
        self.layers = nn.ModuleList(_layer(gru, number) for number in range(gru.num_layers))

    def forward(self, x: Tensor, states: list[Tensor], hops: int) -> tuple[Tensor, list[Tensor]]:
        after, x = [], x.reshape(-1, hops, self.width).transpose(0, 1)
        for layer, state in zip(self.layers, states, strict=True):
            x, last = layer(x, state[None])
            after.append(last.reshape(-1, layer.hidden_size))
        return x.transpose(0, 1).reshape(-1, layer.hidden_size), after


def _layer(gru: nn.GRU, number: int) -> nn.GRU:
    """Layer `number` of a stack as a GRU of one layer."""
    layer = nn.GRU(gru.hidden_size if number else gru.input_size, gru.hidden_size)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        value = getattr(gru, f"{name}_l{number}").detach().float()
        setattr(layer, f"{name}_l0", nn.Parameter(value, requires_grad=False))
    return layer
