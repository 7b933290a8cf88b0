"""The newest sound levels of a broadcast, sent to its listeners ten times a second."""

import math

from workers.link.ring import Packet


class Loudness:
    """In dBFS; nan where it is not known."""

    def __init__(self) -> None:
        self._original = self._denoised = math.nan

    def original(self, packet: Packet) -> None:
        """Take a packet as it came, if its client measures its level (RFC 6464)."""
        if not math.isnan(packet.original_dbfs):
            self._original = packet.original_dbfs

    def denoised(self, packet: Packet) -> None:
        """Take a packet of the worker, which measures both levels."""
        self._original, self._denoised = packet.original_dbfs, packet.denoised_dbfs

    def levels(self, *, denoising: bool) -> tuple[float, float]:
        """Return the original and the denoised level; the latter is nan unless `denoising`."""
        return self._original, self._denoised if denoising else math.nan
