"""How loud a broadcast is: the newest levels, which its listeners are told ten times a second."""

import math

from workers.link.ring import Packet


class Loudness:
    """dBFS, or nan where it is not known."""

    def __init__(self) -> None:
        self._original = self._denoised = math.nan

    def original(self, packet: Packet) -> None:
        """A packet as it came whose level is known, for its client measures it (RFC 6464)."""
        self._original = packet.original_dbfs

    def denoised(self, packet: Packet) -> None:
        """A packet of the worker's, which measures both."""
        self._original, self._denoised = packet.original_dbfs, packet.denoised_dbfs

    def told(self, *, denoising: bool) -> tuple[float, float]:
        """Original and denoised; the latter only while somebody denoises."""
        return self._original, self._denoised if denoising else math.nan
