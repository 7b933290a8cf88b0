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

BINS, LOW_BINS = 481, 96  # of a frame; of those, the deep filter's, up to 4.8 kHz
BANDS = 32  # on the ERB scale
CHANNELS = 64  # of most convolutions
ORDER = 5  # frames that the deep filter sees: two behind, the one it makes, two ahead


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
        self.features = Features(net.erb_fb, LOW_BINS, norm_alpha())
        self.encoder = Encoder(net.enc)
        fan = (net.erb_dec.emb_gru.linear_in[0], net.df_dec.df_gru.linear_in[0], net.df_dec.df_skip)
        self.fan = layers.SideBySide(*(linear.weight for linear in fan))
        self.mask = MaskDecoder(net.erb_dec, net.mask.erb_inv_fb[:, LOW_BINS:])
        self.filter = FilterDecoder(net.df_dec)
        assert (*net.erb_fb.shape, net.nb_df, net.df_order, net.df_lookahead) == (BINS, BANDS, LOW_BINS, ORDER, self.look_ahead)
        self.state = State(
            (
                Part("levels", (BANDS,), -60, -90, warm=True),
                Part("sizes", (LOW_BINS,), 1e-3, 1e-4, warm=True),
                Part("low", (4, ORDER - 1, LOW_BINS), warm=True),  # the last 4 frames below 4.8 kHz, as FilterDecoder wants them
                Part("high", (2, 2, BINS - LOW_BINS), warm=True),  # the last 2 frames above
                Part("erb", (1, 2, BANDS)),
                Part("complex", (2, 2, LOW_BINS)),
                *(Part(name, (256,)) for name in ("encoder", "mask0", "mask1", "filter0", "filter1")),
                Part("pathway", (40, 1, LOW_BINS)),
            )
        )

    def forward(self, spectrum: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        levels, sizes, low, high, erb, complex_, encoder, mask0, mask1, filter0, filter1, pathway = self.state.split(state)
        erb_now, complex_now, levels, sizes = self.features(spectrum, levels, sizes)
        erb, complex_ = torch.cat([erb, erb_now], 2), torch.cat([complex_, complex_now], 2)
        low_now, high_now = spectrum[:, :, None, :LOW_BINS], spectrum[:, None, :, LOW_BINS:]
        real, imaginary = low_now[:, :1], low_now[:, 1:]
        low = torch.cat([low, torch.cat([real, -imaginary, imaginary, real], 1)], 2)

        emb, skips, c0, of_encoder = self.encoder(erb, complex_, [encoder])
        for_mask, for_filter, beside = self.fan(emb)
        gains, of_mask = self.mask(for_mask.relu()[None], skips, [mask0, mask1])
        coefficients, of_filter, pathway = self.filter(for_filter.relu()[None], beside, c0, [filter0, filter1], pathway)
        clean = torch.cat([filtered(low, coefficients), high[:, 0] * gains[:, None]], 2)

        high = torch.cat([high[:, 1:], high_now], 1)
        rings = [low[:, :, 1:], high, erb[:, :, 1:], complex_[:, :, 1:]]
        after = [levels, sizes, *rings, *of_encoder, *of_mask, *of_filter, pathway]
        return clean, self.state.join(after)


def filtered(low: Tensor, coefficients: Tensor) -> Tensor:
    """The deep filter: each bin becomes the complex sum of its last frames times its coefficients.

    low [B, 4, order, 96] holds real, -imaginary, imaginary, real, oldest frame first; coefficients [B, 2 * order, 96] hold
    all real parts, then all imaginary ones: so a row of products sums up to the real, the other to the imaginary part.
    """
    return (low.reshape(-1, 2, 2 * ORDER, LOW_BINS) * coefficients[:, None]).sum(2)


class Encoder(nn.Module):
    """Features of three frames -> embedding [B, 512], the four skip connections of the mask decoder, c0 of the filter decoder."""

    def __init__(self, enc: Any) -> None:
        super().__init__()
        self.erb0, self.erb1 = layers.merged(enc.erb_conv0), layers.merged(enc.erb_conv1)
        self.erb2, self.erb3 = layers.merged(enc.erb_conv2), layers.merged(enc.erb_conv3)
        self.complex0, self.complex1 = layers.merged(enc.df_conv0), layers.Pair(enc.df_conv1)
        self.complex_in = layers.GroupedLinear(enc.df_fc_emb[0].weight)
        self.gru_in = layers.GroupedLinear(enc.emb_gru.linear_in[0].weight, 1)
        self.gru = layers.GruStep(enc.emb_gru.gru)
        self.gru_out = layers.GroupedLinear(enc.emb_gru.linear_out[0].weight)
        for block in (self.erb0, self.complex0):
            block.padding = (0, 1)

    def forward(self, erb: Tensor, complex_: Tensor, gru: list[Tensor]) -> tuple[Tensor, list[Tensor], Tensor, list[Tensor]]:
        e0 = self.erb0(erb).relu()
        e1 = self.erb1(e0).relu()
        e2 = self.erb2(e1).relu()
        e3 = self.erb3(e2).relu()
        c0 = self.complex0(complex_).relu()
        c1 = self.complex1(c0).relu()
        emb = by_bin(e3, 8) + self.complex_in(by_bin(c1, 48)).relu()
        emb, gru = self.gru(self.gru_in(emb).relu(), gru)
        return self.gru_out(emb).relu(), [e0, e1, e2, e3], c0, gru


class MaskDecoder(nn.Module):
    """Embedding and skips -> a gain in [0, 1] for each bin above the deep filter's: [B, 385]."""

    def __init__(self, dec: Any, bands_to_bins: Tensor) -> None:
        super().__init__()
        self.gru = layers.GruStep(dec.emb_gru.gru)
        self.gru_out = layers.GroupedLinear(dec.emb_gru.linear_out[0].weight)
        self.skip3, self.skip2 = layers.scaled(dec.conv3p), layers.scaled(dec.conv2p)
        self.skip1, self.skip0 = layers.scaled(dec.conv1p), layers.scaled(dec.conv0p)
        self.up3, self.up2, self.up1 = layers.merged(dec.convt3), layers.upsampling(dec.convt2), layers.upsampling(dec.convt1)
        self.out = layers.merged(dec.conv0_out)
        self.bands_to_bins: Tensor
        self.register_buffer("bands_to_bins", bands_to_bins.float())  # [32, 385]

    def forward(self, emb: Tensor, skips: list[Tensor], gru: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        e0, e1, e2, e3 = skips
        hidden, gru = self.gru(emb, gru)
        emb = self.gru_out(hidden).relu().reshape(-1, 8, CHANNELS).transpose(1, 2)[:, :, None]
        e3 = self.up3(self.skip3(e3).relu() + emb).relu()
        e2 = self.up2(self.skip2(e2).relu() + e3).relu()
        e1 = self.up1(self.skip1(e1).relu() + e2).relu()
        gains = self.out(self.skip0(e0).relu() + e1).sigmoid()
        return torch.matmul(gains.reshape(-1, BANDS), self.bands_to_bins), gru


class FilterDecoder(nn.Module):
    """Embedding and c0 -> the deep filter's coefficients [B, 10, 96]: five real parts, oldest frame first, then five imaginary.

    The 5x1 convolution of its pathway looks four frames back; carried are not those frames of 64 channels but what they
    will add to the next four outputs: [B, 40, 1, 96], the nearest first.
    """

    def __init__(self, dec: Any) -> None:
        super().__init__()
        self.gru = layers.GruStep(dec.df_gru.gru)
        out = dec.df_out[0].weight  # [16, 16, 60]: six bins a group, of each five complex coefficients
        self.out = layers.GroupedLinear(out.unflatten(2, (-1, 5, 2)).transpose(3, 4).flatten(2))
        pathway = layers.merged(dec.df_convp)  # [10, 64, 5, 1]
        assert pathway.bias is not None
        parts_first = pathway.weight.double().unflatten(0, (5, 2)).transpose(0, 1).flatten(0, 1)
        bias = pathway.bias.double().unflatten(0, (5, 2)).T.flatten()
        newest_first = parts_first.flip(2).permute(2, 0, 1, 3).flatten(0, 1)[:, :, None]  # [50, 64, 1, 1]
        self.pathway = layers.conv(newest_first, torch.cat([bias, bias.new_zeros(40)]))

    def forward(self, emb: Tensor, beside: Tensor, c0: Tensor, gru: list[Tensor], pathway: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        hidden, gru = self.gru(emb, gru)
        wide = self.out(hidden + beside).tanh().reshape(-1, LOW_BINS, 10).transpose(1, 2)
        sums = self.pathway(c0)
        ripe = (sums[:, :10] + pathway[:, :10]).relu()
        waiting = torch.cat([sums[:, 10:40] + pathway[:, 10:], sums[:, 40:]], 1)
        return wide + ripe.reshape(-1, 2 * ORDER, LOW_BINS), gru, waiting


def by_bin(x: Tensor, bins: int) -> Tensor:
    """float32[B, C, 1, F] -> [B, F * C], as upstream's linear layers take it."""
    return x.reshape(-1, CHANNELS, bins).transpose(1, 2).reshape(-1, bins * CHANNELS)
