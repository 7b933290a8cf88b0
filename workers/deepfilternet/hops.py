"""One hop or two in a call, by the same graph: what goes on from hop to hop is done for the first and for the last of them.

With one hop the second step is done in vain, and what it gives is cut off: a few hundred floats, far less than a call.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def first_and_last(values: Tensor) -> tuple[Tensor, Tensor]:
    """float32[B, T, ...] -> its first and its last hop [B, 1, ...], the same one where T is 1."""
    return values[:, :1], values[:, -1:]


def of_hops(steps: Sequence[Tensor], hops: int) -> Tensor:
    """What the steps of `first_and_last` gave, of as many as there are hops: [B, 1, ...] each -> [B, T, ...]."""
    return torch.cat(list(steps), 1)[:, :hops]
