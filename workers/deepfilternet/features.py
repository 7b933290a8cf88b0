"""The two features of each frame, and their running norms, whose state is carried from hop to hop.

libdf computes both, but does not return the state of its norms, so it cannot stream. The results are the same.
"""

import numpy as np
import torch
from torch import Tensor, nn

from workers.deepfilternet.hops import first_and_last, of_hops

LEAST = 1e-12  # where denormals are flushed, the unit norm decays to zero in 140 s of digital silence, and 0/0 would be NaN from then on


class Features(nn.Module):
    """ERB levels and unit-normalised low bins of one frame or two.

    spectrum float32[B, T, 2, 481] (real, imaginary), levels [B, 32], sizes [B, 96]
    -> erb [B, T, 1, 32], low [B, T, 2, 96], and both norms T hops later.
    """

    def __init__(self, filters: Tensor, low_bins: int, alpha: float) -> None:
        super().__init__()
        self.filters: Tensor
        self.register_buffer("filters", filters.float())  # [481, 32], each column the mean over a band
        self.low_bins = low_bins
        self.old = float(np.float32(alpha))
        self.new = float(np.float32(1) - np.float32(alpha))  # in float32, as in libdf: not exactly 0.01

    def forward(self, spectrum: Tensor, levels: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        squares = spectrum * spectrum
        power = squares[:, :, 0] + squares[:, :, 1]
        mean = torch.matmul(power, self.filters) + 1e-10
        level = (torch.log(mean.double()) * float(1 / np.log(10))).float() * 10
        levels = self.running(level, levels)
        erb = (level - levels) / 40
        sizes = self.running(power[:, :, : self.low_bins].sqrt(), sizes, LEAST)
        low = spectrum[..., : self.low_bins] / sizes.sqrt()[:, :, None]
        return erb[:, :, None], low, levels[:, -1], sizes[:, -1]

    def running(self, values: Tensor, mean: Tensor, least: float | None = None) -> Tensor:
        """The mean so far at each hop: values [B, T, N] and the mean before them [B, N] -> [B, T, N]."""
        means, mean = [], mean[:, None]
        for value in first_and_last(values):
            mean = value * self.new + mean * self.old
            mean = mean if least is None else mean.clamp_min(least)
            means.append(mean)
        return of_hops(means, values.shape[1])
