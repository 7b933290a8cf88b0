"""Frames as libdf makes and takes them, so that no copy is left to Python."""

from torch import Tensor, nn


class Frames(nn.Module):
    """A streaming net whose frames are float32[B, T, 481, 2], the memory of complex64[B, T, 481]."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, spectrum: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        clean, after = self.net(spectrum.transpose(2, 3), state)
        return clean.transpose(2, 3), after
