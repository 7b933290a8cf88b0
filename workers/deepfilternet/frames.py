"""Frames as every engine takes them: real and imaginary parts apart, all hops of each."""

from torch import Tensor, nn


class Frames(nn.Module):
    """A streaming net whose frames are float32[B, 2, T, 481]."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, spectrum: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        clean, after = self.net(spectrum.transpose(1, 2), state)
        return clean.transpose(1, 2), after
