"""DeepFilterNet3, one or two hops at a time.

Source: Schröter et al., DeepFilterNet: Perceptually Motivated Real-Time Speech Enhancement, 2023, fig. 1. Parameters and the
order of operations are those of upstream's `df.deepfilternet3.DfNet`, which processes a whole sound at once.
"""

from typing import Any

import torch
from torch import Tensor, nn

from workers.deepfilternet import layers
from workers.deepfilternet.blocks import (
    BANDS,
    BINS,
    LOW_BINS,
    ORDER,
    Coefficients,
    FeatureConvolutions,
    MaskConvolutions,
    filtered,
    quartet,
)
from workers.deepfilternet.features import Features
from workers.deepfilternet.postfilter import weakened
from workers.deepfilternet.state_tensors import StateTensors
from workers.deepfilternet.upstream import Upstream, norm_alpha
from workers.graphs.state_layout import Part


class StreamingDeepFilterNet3(nn.Module):
    """One or two frames of each voice in, as many out, 2 frames later. The state holds all memory.

    forward(spectrum float32[B, T, 2, 481], state float32[B, state.size]) -> (spectrum, state) of the same shapes; T: 1 or 2.
    During the first `look_ahead` hops of a voice the caller outputs silence and resets all but the warm parts of the state:
    upstream's offline network drops the first two feature frames, so its convolutions and GRUs begin with the third.
    """

    look_ahead = 2
    latency = 480 + 2 * 480  # samples: the STFT's overlap and the look-ahead

    def __init__(self, upstream: Upstream) -> None:
        super().__init__()
        net: Any = upstream.net
        enc, to_mask, to_filter = net.enc.emb_gru, net.erb_dec.emb_gru, net.df_dec.df_gru
        assert (*net.erb_fb.shape, net.nb_df, net.df_order, net.df_lookahead) == (BINS, BANDS, LOW_BINS, ORDER, self.look_ahead)
        self.features = Features(net.erb_fb, LOW_BINS, norm_alpha())
        self.post_filter, self.beta = bool(net.post_filter), float(net.post_filter_beta)
        self.convolved = FeatureConvolutions(net.enc)
        self.encoder_in = layers.GroupedLinear(enc.linear_in[0].weight)
        self.encoder, self.encoder_out = layers.GruStep(enc.gru), layers.GroupedLinear(enc.linear_out[0].weight)
        self.fan = layers.SideBySide(to_mask.linear_in[0].weight, to_filter.linear_in[0].weight, net.df_dec.df_skip.weight)
        self.mask, self.mask_out = layers.GruStep(to_mask.gru), layers.GroupedLinear(to_mask.linear_out[0].weight)
        self.gains = MaskConvolutions(net.erb_dec, net.mask.erb_inv_fb, LOW_BINS)
        self.filter, self.coefficients = layers.GruStep(to_filter.gru), Coefficients(net.df_dec)
        self.state = StateTensors(
            (
                Part("levels", (BANDS,), -60, -90, warm=True),
                Part("sizes", (LOW_BINS,), 1e-3, 1e-4, warm=True),
                Part("low", (ORDER - 1, 2, 2, LOW_BINS), warm=True),  # the last 4 frames up to 4.8 kHz, as quartets
                Part("high", (self.look_ahead, 2, BINS - LOW_BINS), warm=True),  # the last 2 frames above
                Part("erb", (2, 1, BANDS)),
                Part("complex", (2, 2, LOW_BINS)),
                *(Part(name, (256,)) for name in ("encoder", "mask0", "mask1", "filter0", "filter1")),
                Part("waiting", (self.coefficients.waiting, LOW_BINS)),
            )
        )

    def forward(self, spectrum: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        levels, sizes, low, high, erb, complex_, encoder, mask0, mask1, filter0, filter1, waiting = self.state.split(state)
        hops = spectrum.shape[1]
        erb_now, complex_now, levels, sizes = self.features(spectrum, levels, sizes)
        erb, complex_ = torch.cat([erb, erb_now], 1), torch.cat([complex_, complex_now], 1)
        low = torch.cat([low, quartet(spectrum[..., :LOW_BINS], hops)], 1)
        high = torch.cat([high, spectrum[..., LOW_BINS:]], 1)

        emb, complex_emb, skips, c0 = self.convolved(erb, complex_)
        hidden, of_encoder = self.encoder(self.encoder_in(emb + complex_emb).relu(), [encoder], hops)
        to_mask, to_filter, beside = self.fan(self.encoder_out(hidden).relu())
        hidden, of_mask = self.mask(to_mask.relu(), [mask0, mask1], hops)
        gains = self.gains(self.mask_out(hidden).relu(), skips)
        hidden, of_filter = self.filter(to_filter.relu(), [filter0, filter1], hops)
        coefficients, waiting = self.coefficients(hidden + beside, c0, waiting, hops)
        above = high[:, : -self.look_ahead].reshape(-1, 2, BINS - LOW_BINS) * gains[:, None]
        clean = torch.cat([filtered(low, coefficients), above], 2).reshape(-1, hops, 2, BINS)
        if self.post_filter:
            noisy = torch.cat([low[:, self.look_ahead : -self.look_ahead, :, 0], high[:, : -self.look_ahead]], 3)
            clean = weakened(clean, noisy, self.beta)

        rings = [low[:, 1 - ORDER :], high[:, -self.look_ahead :], erb[:, -2:], complex_[:, -2:]]
        return clean, self.state.join([levels, sizes, *rings, *of_encoder, *of_mask, *of_filter, waiting])
