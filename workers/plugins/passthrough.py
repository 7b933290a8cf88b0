"""Changes nothing. For tests, and to hear what decoding and encoding alone do to the sound."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from workers.denoiser import BLOCK, RATE_HZ, Sound, VoiceState


class Passthrough:
    """Returns each block as it is."""

    rate_hz: ClassVar[int] = RATE_HZ
    block: ClassVar[int] = BLOCK
    latency_ms: ClassVar[float] = 0.0
    latency = 0

    def __init__(self, options: Mapping[str, object]) -> None:
        """Takes any options and needs none."""

    def open(self) -> VoiceState:
        return None

    def clean(self, voices: Sequence[VoiceState], noisy: Sound) -> Sound:
        """float32[n, 480] -> a copy."""
        return noisy.copy()
