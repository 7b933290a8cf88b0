"""Upstream's post filter: attenuates further what the network has attenuated, and leaves gains near 1 as they are.

A gain of 0.5 becomes 0.49, one of 0.1 becomes 0.056. DeepFilterNet2 applies it to the gains of the mask, DeepFilterNet3 to the total
gain of each bin.
Source: Valin et al., A Perceptually-Motivated Approach for Low-Complexity, Real-Time Enhancement of Fullband Speech, 2020.
"""

import math

import torch
from torch import Tensor

EPS = 1e-12
BETA = 0.02  # of DeepFilterNet2, a default in its code; DeepFilterNet3's is in its config.ini


def bent(gains: Tensor) -> Tensor:
    """The gains of a mask, in [0, 1], with the post filter of DeepFilterNet2: the same shape."""
    sines = gains * torch.sin(gains * (math.pi / 2))
    return (1 + BETA) * gains / (1 + BETA * (gains / sines.clamp_min(EPS)).square())


def weakened(clean: Tensor, noisy: Tensor, beta: float) -> Tensor:
    """Denoised frames float32[..., 2, F], given also their noisy originals, with the post filter of DeepFilterNet3: the same shape."""
    gains = (_size(clean) / (_size(noisy) + EPS)).clamp(EPS, 1)
    sines = gains * torch.sin(gains * (math.pi / 2)).clamp_min(EPS)
    return clean * ((1 + beta) / (1 + beta * (gains / sines).square()))


def _size(frames: Tensor) -> Tensor:
    return frames.square().sum(-2, keepdim=True).sqrt()
