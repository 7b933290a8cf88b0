"""The hops of a call: one or two for each voice, by the same module, and how engines and networks lay them out.

What carries on from hop to hop is computed for the first and for the last hop of a call. With one hop the second step is superfluous
and its result is cut off: a few hundred floats, far less than the cost of a call.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Frames(nn.Module):
    """A streaming network in the layout of the engines: frames float32[B, 2, T, 481], real and imaginary parts apart."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, spectrum: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        clean, after = self.net(spectrum.transpose(1, 2), state)
        return clean.transpose(1, 2), after


def first_and_last(values: Tensor) -> tuple[Tensor, Tensor]:
    """float32[B, T, ...] -> its first and its last hop [B, 1, ...], the same one where T is 1."""
    return values[:, :1], values[:, -1:]


def of_hops(steps: Sequence[Tensor], hops: int) -> Tensor:
    """Join the results of the steps over `first_and_last`, and keep one for each hop: [B, 1, ...] each -> [B, T, ...]."""
    return torch.cat(list(steps), 1)[:, :hops]
