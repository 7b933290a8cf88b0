"""Mute, enforced in ingest: which packets lose their sound, and the silence that replaces it. No loop, no clock.

While muted every packet keeps its number and time and carries encoded silence, so that listeners, RED, the worker and the
recording get a stream without a gap. The silence is a whole Opus packet and not a TOC byte alone: decoders conceal the latter,
which repeats the sound before it.
"""

from sfu.wire.rtp import sequence_step

MAX_REORDERING = 64  # packets: one from before an unmuting may come so many later, reordered or inside RED
_SILENT_FRAME = b"\xff\xfe"  # CELT's silence flag and nothing else (RFC 6716 §4.3), for any frame size, mono or stereo
_CELT_FULL_BAND = {960: 31, 480: 30, 240: 29, 120: 28}  # samples of a frame -> configuration number of the TOC byte
_STEREO, _CODE_3 = 0x04, 0x03


def silent_packet(toc: int, samples: int) -> bytes:
    """An Opus packet that decodes to `samples` of silence (a multiple of 120, at most 5760), with the channels of `toc`."""
    frame = next(length for length in _CELT_FULL_BAND if samples % length == 0)
    count, head = samples // frame, _CELT_FULL_BAND[frame] << 3 | toc & _STEREO
    if count == 1:
        return bytes([head]) + _SILENT_FRAME
    return bytes([head | _CODE_3, count]) + count * _SILENT_FRAME


class Mute:
    """Whether the broadcaster is muted, and which packets stay silent after an unmuting.

    A packet that was sent while muted may come after the unmuting, late or inside a RED packet, and the in-band FEC of the packet
    behind it repeats its sound. So all packets up to the one after the newest at the unmuting stay silent.
    """

    def __init__(self) -> None:
        self.on = False
        self.idle = True  # no packet is silenced, so `silences` need not be asked
        self._last: int | None = None  # the last sequence, 16 bits, that stays silent after an unmuting

    def switch(self, on: bool, newest: int | None) -> None:
        """newest: the highest sequence of the stream so far, 16 bits; None before the first."""
        if self.on and not on and newest is not None:
            self._last = newest + 1 & 0xFFFF
        self.on = on
        self.idle = not on and self._last is None

    def restart(self) -> None:
        """The next packet begins another numbering."""
        self._last, self.idle = None, not self.on

    def silences(self, sequence: int) -> bool:
        """Whether this packet (16-bit sequence) loses its sound."""
        if self.on or self._last is None:
            return self.on
        step = sequence_step(sequence, self._last)
        if step > MAX_REORDERING:
            self._last, self.idle = None, True
        return step <= 0
