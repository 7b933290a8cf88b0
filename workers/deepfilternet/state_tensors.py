"""The flat state of a voice as tensors: split into its parts, joined again."""

from collections.abc import Sequence

import torch
from torch import Tensor

from workers.graphs.state_layout import Part, held, initial


class StateTensors:
    """Splits states float32[B, size] into the tensors [B, *shape] of their parts, in order, and joins them again."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(parts)
        self.size = sum(part.size for part in parts)

    def initial(self, voices: int) -> Tensor:
        """The states of new voices: float32[voices, size]."""
        return torch.from_numpy(initial(self.parts)).repeat(voices, 1)

    def split(self, state: Tensor) -> list[Tensor]:
        pieces = torch.split(state, [part.size for part in self.parts], 1)
        return [piece if len(part.shape) == 1 else piece.reshape(-1, *part.shape) for piece, part in zip(pieces, self.parts, strict=True)]

    def join(self, pieces: Sequence[Tensor]) -> Tensor:
        flat = [piece if len(part.shape) == 1 else piece.reshape(-1, part.size) for piece, part in zip(pieces, self.parts, strict=True)]
        return torch.cat(flat, 1)

    def held(self) -> Tensor:
        """Which floats keep their initial values during the look-ahead: bool[size]."""
        return torch.from_numpy(held(self.parts))
