"""DeepFilterNet3, one hop at a time.

Source: Schröter et al., DeepFilterNet: Perceptually Motivated Real-Time Speech Enhancement, 2023, fig. 1; learnt parameters
and the order of operations from upstream's `df.deepfilternet3.DfNet`, which runs whole sounds.
"""

from typing import Any

import torch
from torch import Tensor, nn

from workers.streaming import layers
from workers.streaming.features import Features
from workers.streaming.layout import Part
from workers.streaming.state import State
from workers.streaming.upstream import Upstream, norm_alpha


class DeepFilterNet3(nn.Module):
    """One frame of each voice in, one frame out, 2 frames later; all memory is in the state.

    forward(spectrum float32[B, 2, 481], state float32[B, state.size]) -> (spectrum, state) of the same shapes.
    During the first `look_ahead` hops of a voice the caller keeps all but the warm parts of the state as they were, and
    takes silence for output: offline drops the first two feature frames, so its convolutions and GRUs begin at the third.
    """

    look_ahead = 2
    latency = 480 + 2 * 480  # samples: the STFT's overlap and the look-ahead

    def __init__(self, upstream: Upstream) -> None:
        super().__init__()
        net: Any = upstream.net
        self.low_bins, self.order = int(net.nb_df), int(net.df_order)
        self.features = Features(net.erb_fb, self.low_bins, norm_alpha())
        self.encoder = Encoder(net.enc)
        self.mask = MaskDecoder(net.erb_dec, net.mask.erb_inv_fb[:, self.low_bins :])
        self.filter = FilterDecoder(net.df_dec, self.low_bins)
        bins, high = net.erb_fb.shape[0], net.erb_fb.shape[0] - self.low_bins
        assert (bins, self.low_bins, self.order, net.df_lookahead) == (481, 96, 5, self.look_ahead)
        self.state = State(
            (
                Part("levels", (32,), -60, -90, warm=True),
                Part("sizes", (96,), 1e-3, 1e-4, warm=True),
                Part("low", (4, 4, 96), warm=True),  # the last 4 frames below 4.8 kHz, as FilterDecoder wants them
                Part("high", (2, 2, high), warm=True),  # the last 2 frames above
                Part("erb", (1, 2, 32)),
                Part("complex", (2, 2, 96)),
                Part("encoder", (1, 256)),
                Part("mask", (2, 256)),
                Part("filter", (2, 256)),
                Part("pathway", (40, 1, 96)),
            )
        )

    def forward(self, spectrum: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        levels, sizes, low, high, erb, complex_, gru_encoder, gru_mask, gru_filter, pathway = self.state.split(state)
        erb_now, complex_now, levels, sizes = self.features(spectrum, levels, sizes)
        erb, complex_ = torch.cat([erb, erb_now], 2), torch.cat([complex_, complex_now], 2)
        low_now, high_now = spectrum[:, :, None, : self.low_bins], spectrum[:, None, :, self.low_bins :]
        real, imaginary = low_now[:, :1], low_now[:, 1:]
        low = torch.cat([low, torch.cat([real, -imaginary, imaginary, real], 1)], 2)

        emb, skips, c0, gru_encoder = self.encoder(erb, complex_, gru_encoder)
        gains, gru_mask = self.mask(emb, skips, gru_mask)
        coefficients, gru_filter, pathway = self.filter(emb, c0, gru_filter, pathway)
        clean = torch.cat([filtered(low, coefficients), high[:, 0] * gains[:, None]], 2)

        high = torch.cat([high[:, 1:], high_now], 1)
        after = [levels, sizes, low[:, :, 1:], high, erb[:, :, 1:], complex_[:, :, 1:], gru_encoder, gru_mask, gru_filter, pathway]
        return clean, self.state.join(after)


def filtered(low: Tensor, coefficients: Tensor) -> Tensor:
    """The deep filter: each bin becomes the complex sum of its last frames times its coefficients.

    low [B, 4, order, 96] holds real, -imaginary, imaginary, real, oldest frame first; coefficients [B, 2 * order, 96] hold
    all real parts, then all imaginary ones: so a row of products sums up to the real, the other to the imaginary part.
    """
    bins = low.shape[3]
    return (low.reshape(-1, 2, 2 * low.shape[2], bins) * coefficients[:, None]).sum(2)


class Encoder(nn.Module):
    """Features of three frames -> embedding [B, 512], the four skip connections of the mask decoder, c0 of the filter decoder."""

    def __init__(self, enc: Any) -> None:
        super().__init__()
        self.erb0, self.erb1 = layers.merged(enc.erb_conv0), layers.merged(enc.erb_conv1)
        self.erb2, self.erb3 = layers.merged(enc.erb_conv2), layers.merged(enc.erb_conv3)
        self.complex0, self.complex1 = layers.merged(enc.df_conv0), layers.merged(enc.df_conv1)
        self.complex_in = layers.GroupedLinear(enc.df_fc_emb[0].weight)
        self.gru_in = layers.GroupedLinear(enc.emb_gru.linear_in[0].weight)
        self.gru = layers.GruStep(enc.emb_gru.gru)
        self.gru_out = layers.GroupedLinear(enc.emb_gru.linear_out[0].weight)
        for block in (self.erb0, self.complex0):
            block.padding = (0, 1)

    def forward(self, erb: Tensor, complex_: Tensor, gru: Tensor) -> tuple[Tensor, list[Tensor], Tensor, Tensor]:
        e0 = self.erb0(erb).relu()
        e1 = self.erb1(e0).relu()
        e2 = self.erb2(e1).relu()
        e3 = self.erb3(e2).relu()
        c0 = self.complex0(complex_).relu()
        c1 = self.complex1(c0).relu()
        emb = by_bin(e3) + self.complex_in(by_bin(c1)).relu()
        emb, gru = self.gru(self.gru_in(emb).relu(), gru)
        return self.gru_out(emb).relu(), [e0, e1, e2, e3], c0, gru


class MaskDecoder(nn.Module):
    """Embedding and skips -> a gain in [0, 1] for each bin above the deep filter's: [B, 385]."""

    def __init__(self, dec: Any, bands_to_bins: Tensor) -> None:
        super().__init__()
        self.gru_in = layers.GroupedLinear(dec.emb_gru.linear_in[0].weight)
        self.gru = layers.GruStep(dec.emb_gru.gru)
        self.gru_out = layers.GroupedLinear(dec.emb_gru.linear_out[0].weight)
        self.skip3, self.skip2 = layers.scaled(dec.conv3p), layers.scaled(dec.conv2p)
        self.skip1, self.skip0 = layers.scaled(dec.conv1p), layers.scaled(dec.conv0p)
        self.up3, self.up2, self.up1 = layers.merged(dec.convt3), layers.Upsample(dec.convt2), layers.Upsample(dec.convt1)
        self.out = layers.merged(dec.conv0_out)
        self.bands_to_bins: Tensor
        self.register_buffer("bands_to_bins", bands_to_bins.float())  # [32, 385]

    def forward(self, emb: Tensor, skips: list[Tensor], gru: Tensor) -> tuple[Tensor, Tensor]:
        e0, e1, e2, e3 = skips
        emb, gru = self.gru(self.gru_in(emb).relu(), gru)
        emb = self.gru_out(emb).relu().reshape(-1, e3.shape[3], e3.shape[1]).transpose(1, 2)[:, :, None]
        e3 = self.up3(self.skip3(e3).relu() + emb).relu()
        e2 = self.up2(self.skip2(e2).relu() + e3).relu()
        e1 = self.up1(self.skip1(e1).relu() + e2).relu()
        gains = self.out(self.skip0(e0).relu() + e1).sigmoid()
        return torch.matmul(gains.reshape(-1, gains.shape[3]), self.bands_to_bins), gru


class FilterDecoder(nn.Module):
    """Embedding and c0 -> the deep filter's coefficients [B, 10, 96]: five real parts, oldest frame first, then five imaginary.

    The 5x1 convolution of its pathway looks four frames back; carried are not those frames of 64 channels but what they
    will add to the next four outputs: [B, 40, 1, 96], the nearest first.
    """

    def __init__(self, dec: Any, low_bins: int) -> None:
        super().__init__()
        self.low_bins = low_bins
        self.gru_in = layers.GroupedLinear(dec.df_gru.linear_in[0].weight)
        self.gru = layers.GruStep(dec.df_gru.gru)
        self.skip = layers.GroupedLinear(dec.df_skip.weight)
        out = dec.df_out[0].weight  # [16, 16, 60]: six bins a group, of each five complex coefficients
        self.out = layers.GroupedLinear(out.unflatten(2, (-1, 5, 2)).transpose(3, 4).flatten(2))
        pathway = layers.merged(dec.df_convp)  # [10, 64, 5, 1]
        assert pathway.bias is not None
        parts_first = pathway.weight.double().unflatten(0, (5, 2)).transpose(0, 1).flatten(0, 1)
        bias = pathway.bias.double().unflatten(0, (5, 2)).T.flatten()
        newest_first = parts_first.flip(2).permute(2, 0, 1, 3).flatten(0, 1)[:, :, None]  # [50, 64, 1, 1]
        self.pathway = layers.conv(newest_first, torch.cat([bias, bias.new_zeros(40)]))

    def forward(self, emb: Tensor, c0: Tensor, gru: Tensor, pathway: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden, gru = self.gru(self.gru_in(emb).relu(), gru)
        wide = self.out(hidden + self.skip(emb)).tanh().reshape(-1, self.low_bins, 10).transpose(1, 2)
        sums = self.pathway(c0)
        ripe = (sums[:, :10] + pathway[:, :10]).relu()
        waiting = torch.cat([sums[:, 10:40] + pathway[:, 10:], sums[:, 40:]], 1)
        return wide + ripe[:, :, 0], gru, waiting


def by_bin(x: Tensor) -> Tensor:
    """float32[B, C, 1, F] -> [B, F * C], as upstream's linear layers take it."""
    return x[:, :, 0].transpose(1, 2).flatten(1)
