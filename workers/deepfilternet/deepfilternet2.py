"""DeepFilterNet2 and its variant without look-ahead, one or two hops at a time.

Source: Schröter et al., DeepFilterNet2: Towards Real-Time Speech Enhancement on Embedded Devices, 2022, fig. 1. Parameters and
the order of operations are those of upstream's `df.deepfilternet2.DfNet`, which processes a whole sound at once.
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
from workers.deepfilternet.state_tensors import StateTensors
from workers.deepfilternet.upstream import Upstream, norm_alpha
from workers.graphs.state_layout import Part


class StreamingDeepFilterNet2(nn.Module):
    """One or two frames of each voice in, as many out, `look_ahead` + `wait` frames later. The state holds all memory.

    It differs from DeepFilterNet3 in that the deep filter works on the masked spectrum, which it needs `wait` frames ahead. So
    the coefficients, and the masked bins above those of the filter, are delayed by `wait` frames. The variant without look-ahead
    has no such delay.
    """

    def __init__(self, upstream: Upstream) -> None:
        super().__init__()
        net: Any = upstream.net
        enc, to_mask, to_filter = net.enc.emb_gru, net.erb_dec.emb_gru, net.df_dec.df_gru
        assert (*net.erb_fb.shape, net.df_bins, net.df_order, net.df_iter) == (BINS, BANDS, LOW_BINS, ORDER, 1)
        self.look_ahead, self.wait = int(net.lookahead), int(net.df_lookahead)
        self.latency = 480 * (1 + self.look_ahead + self.wait)
        self.features = Features(net.erb_fb, LOW_BINS, norm_alpha())
        self.post_filter = bool(net.mask.post_filter)
        self.convolved = FeatureConvolutions(net.enc)
        self.encoder_in, self.encoder = layers.GroupedLinear(enc.linear_in[0].weight), layers.GruStep(enc.gru)
        self.fan = layers.SideBySide(to_mask.linear_in[0].weight, to_filter.linear_in[0].weight)
        self.mask, self.mask_out = layers.GruStep(to_mask.gru), layers.GroupedLinear(to_mask.linear_out[0].weight)
        self.gains = MaskConvolutions(net.erb_dec, net.mask.erb_inv_fb, 0, self.post_filter)
        self.filter, self.coefficients = layers.GruStep(to_filter.gru), Coefficients(net.df_dec)
        ahead, wait = self.look_ahead, self.wait
        parts = (
            Part("levels", (BANDS,), -60, -90, warm=True),
            Part("sizes", (LOW_BINS,), 1e-3, 1e-4, warm=True),
            Part("noisy", (ahead, 2, BINS), warm=True),  # frames that wait for their mask
            Part("low", (ORDER - 1, 2, 2, LOW_BINS)),  # the last 4 masked frames up to 4.8 kHz, as quartets
            Part("high", (wait, 2, BINS - LOW_BINS)),  # masked frames above that wait for those below
            Part("coefficients", (wait, 2 * ORDER, LOW_BINS)),
            Part("erb", (2, 1, BANDS)),
            Part("complex", (2, 2, LOW_BINS)),
            *(Part(name, (256,)) for name in ("encoder", "mask0", "mask1", "filter0", "filter1")),
            Part("waiting", (self.coefficients.waiting, LOW_BINS)),
        )
        self.state = StateTensors([part for part in parts if part.size])

    def forward(self, spectrum: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        was = dict(zip((part.name for part in self.state.parts), self.state.split(state), strict=True))
        now: dict[str, Tensor] = {}
        hops = spectrum.shape[1]
        erb, complex_, now["levels"], now["sizes"] = self.features(spectrum, was["levels"], was["sizes"])
        erb, complex_ = torch.cat([was["erb"], erb], 1), torch.cat([was["complex"], complex_], 1)
        now["erb"], now["complex"] = erb[:, -2:], complex_[:, -2:]

        emb, complex_emb, skips, c0 = self.convolved(erb, complex_)
        hidden, (now["encoder"],) = self.encoder(self.encoder_in(torch.cat([emb, complex_emb], 1)).relu(), [was["encoder"]], hops)
        to_mask, to_filter = (part.relu() for part in self.fan(hidden))
        hidden, (now["mask0"], now["mask1"]) = self.mask(to_mask, [was["mask0"], was["mask1"]], hops)
        gains = self.gains(self.mask_out(hidden + to_mask).relu(), skips)
        hidden, (now["filter0"], now["filter1"]) = self.filter(to_filter, [was["filter0"], was["filter1"]], hops)
        coefficients, now["waiting"] = self.coefficients(hidden + to_filter, c0, was["waiting"], hops)

        masked = delayed("noisy", spectrum, was, now) * gains.reshape(-1, hops, 1, BINS)
        low = torch.cat([was["low"], quartet(masked[..., :LOW_BINS], hops)], 1)
        now["low"] = low[:, 1 - ORDER :]
        high = delayed("high", masked[..., LOW_BINS:], was, now).reshape(-1, 2, BINS - LOW_BINS)
        coefficients = delayed("coefficients", coefficients.reshape(-1, hops, 2 * ORDER, LOW_BINS), was, now)
        clean = torch.cat([filtered(low, coefficients.reshape(-1, 2 * ORDER, LOW_BINS)), high], 2)
        return clean.reshape(-1, hops, 2, BINS), self.state.join([now[part.name] for part in self.state.parts])


def delayed(name: str, values: Tensor, was: dict[str, Tensor], now: dict[str, Tensor]) -> Tensor:
    """float32[B, T, ...]: the values of as many hops ago as the queue of this name is long; without a queue they are not delayed."""
    if name not in was:
        return values
    queue, length = torch.cat([was[name], values], 1), was[name].shape[1]
    now[name] = queue[:, -length:]
    return queue[:, :-length]
