"""What DeepFilterNet2 and 3 have in common: the convolutions around the GRUs, and the deep filter.

Parameters come from upstream's modules for the same purpose.
Shapes: B rows, each one hop of a voice (the hops of a voice are consecutive rows), or [voices, T hops, ...].
"""

from typing import Any

import torch
from torch import Tensor, nn

from workers.deepfilternet import layers
from workers.deepfilternet.hops import first_and_last, of_hops
from workers.deepfilternet.postfilter import bent

BINS, LOW_BINS = 481, 96  # of a frame; the low ones, up to 4.8 kHz, go through the deep filter
BANDS = 32  # on the ERB scale
CHANNELS = 64  # of most convolutions
ORDER = 5  # frames that the deep filter sees
FRAMES = 3  # that the first convolutions see


class FeatureConvolutions(nn.Module):
    """Features of T + 2 frames -> for each hop both embeddings [B, 512], four skip connections for the mask, c0 for the coefficients."""

    def __init__(self, enc: Any) -> None:
        super().__init__()
        self.erb0, self.erb1 = layers.over_channels(layers.merged(enc.erb_conv0)), layers.merged(enc.erb_conv1)
        self.erb2, self.erb3 = layers.merged(enc.erb_conv2), layers.merged(enc.erb_conv3)
        self.complex0, self.complex1 = layers.over_channels(layers.merged(enc.df_conv0)), layers.Pair(enc.df_conv1)
        self.complex_in = layers.GroupedLinear(enc.df_fc_emb[0].weight)

    def forward(self, erb: Tensor, complex_: Tensor) -> tuple[Tensor, Tensor, list[Tensor], Tensor]:
        e0 = self.erb0(windows(erb, FRAMES, 2).reshape(-1, FRAMES, 1, BANDS)).relu()
        e1 = self.erb1(e0).relu()
        e2 = self.erb2(e1).relu()
        e3 = self.erb3(e2).relu()
        c0 = self.complex0(windows(complex_, FRAMES, 2).reshape(-1, 2 * FRAMES, 1, LOW_BINS)).relu()
        c1 = self.complex1(c0).relu()
        return by_bin(e3, 8), self.complex_in(by_bin(c1, 48)).relu(), [e0, e1, e2, e3], c0


def by_bin(x: Tensor, bins: int) -> Tensor:
    """float32[B, C, 1, F] -> [B, F * C], the layout of upstream's linear layers."""
    return x.reshape(-1, CHANNELS, bins).transpose(1, 2).reshape(-1, bins * CHANNELS)


class MaskConvolutions(nn.Module):
    """Embedding [B, 512] and skip connections -> a gain in [0, 1] for each bin from `first` on: [B, 481 - first]."""

    def __init__(self, dec: Any, bands_to_bins: Tensor, first: int, post_filter: bool = False) -> None:
        super().__init__()
        self.post_filter = post_filter
        self.skip3, self.skip2 = layers.Gain(dec.conv3p), layers.Gain(dec.conv2p)
        self.skip1, self.skip0 = layers.Gain(dec.conv1p), layers.Gain(dec.conv0p)
        self.up3, self.up2, self.up1 = layers.merged(dec.convt3), layers.Upsampling(dec.convt2), layers.Upsampling(dec.convt1)
        self.out = layers.merged(dec.conv0_out)
        self.bands_to_bins: Tensor
        self.register_buffer("bands_to_bins", bands_to_bins[:, first:].float())

    def forward(self, emb: Tensor, skips: list[Tensor]) -> Tensor:
        e0, e1, e2, e3 = skips
        narrow = emb.reshape(-1, 8, CHANNELS).transpose(1, 2)[:, :, None]
        d3 = self.up3(self.skip3(e3).relu() + narrow).relu()
        d2 = self.up2(self.skip2(e2).relu() + d3, 8).relu()
        d1 = self.up1(self.skip1(e1).relu() + d2, 16).relu()
        gains = self.out(self.skip0(e0).relu() + d1).sigmoid()
        gains = bent(gains) if self.post_filter else gains
        return torch.matmul(gains.reshape(-1, BANDS), self.bands_to_bins)


class Coefficients(nn.Module):
    """GRU output [B, 256] and c0 -> coefficients [B, 10, 96]: real and imaginary part for each of five frames, oldest first.

    c0 is convolved over time with some earlier frames. The state does not hold those frames, which have 64 channels, but their
    contributions to the next outputs: waiting [voices, self.waiting, 96], that of the next hop first.
    """

    def __init__(self, dec: Any) -> None:
        super().__init__()
        self.out = layers.GroupedLinear(dec.df_out[0].weight)  # [groups, 256 / groups, bins * taps * (real, imaginary)]
        pathway = layers.merged(dec.df_convp)  # [10, 64, frames, 1]
        assert pathway.bias is not None
        self.waiting = 2 * ORDER * (pathway.weight.shape[2] - 1)
        bias = pathway.bias.double()
        newest_first = pathway.weight.double().flip(2).permute(2, 0, 1, 3).flatten(0, 1)[:, :, None]  # [10 * frames, 64, 1, 1]
        self.pathway = layers.conv(newest_first, torch.cat([bias, bias.new_zeros(self.waiting)]))

    def forward(self, hidden: Tensor, c0: Tensor, waiting: Tensor, hops: int) -> tuple[Tensor, Tensor]:
        wide = self.out(hidden).tanh().reshape(-1, LOW_BINS, 2 * ORDER).transpose(1, 2)
        sums, now = self.pathway(c0).reshape(-1, hops, 2 * ORDER + self.waiting, LOW_BINS), 2 * ORDER
        steps, waiting = [], waiting[:, None]
        for each in first_and_last(sums):
            steps.append(each + nn.functional.pad(waiting, (0, 0, 0, now)))
            waiting = steps[-1][:, :, now:]
        sums = of_hops(steps, hops)
        return wide + sums[:, :, :now].relu().reshape(-1, now, LOW_BINS), sums[:, -1, now:]


def quartet(low: Tensor, hops: int) -> Tensor:
    """The low bins of frames in the layout of `filtered`: [B, T, 2, 96] -> (real, -imaginary), (imaginary, real) [B, T, 2, 2, 96]."""
    real, imaginary = low[:, :, :1], low[:, :, 1:]
    return torch.cat([real, -imaginary, imaginary, real], 2).reshape(-1, hops, 2, 2, LOW_BINS)


def windows(frames: Tensor, length: int, dim: int) -> Tensor:
    """The last `length` frames up to each hop, oldest first, concatenated at `dim`: [B, length - 1 + T, ...] -> [B, T, ...]."""
    return torch.cat([frames[:, at : at + 1 - length or None] for at in range(length)], dim)


def filtered(low: Tensor, coefficients: Tensor) -> Tensor:
    """The deep filter: each bin becomes the complex sum of its values in the last five frames times their coefficients: [B, 2, 96].

    low [voices, 4 + T, 2, 2, 96]: quartets, oldest frame first. coefficients [B, 10, 96]: real and imaginary part for each frame.
    The products of a quartet's first row sum up to the real part, those of its second row to the imaginary part.
    """
    return (windows(low, ORDER, 3).reshape(-1, 2, 2 * ORDER, LOW_BINS) * coefficients[:, None]).sum(2)
