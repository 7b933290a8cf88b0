"""Mute as ingest enforces it: which packets lose their sound, and what takes its place. Pure: no loop, no clock.

While muted every packet keeps its number and its time and carries encoded silence, so that listeners, RED, the worker and the
recording see a stream without a gap. The silence is real Opus, not a packet of nothing but a TOC byte: for that one decoders
conceal, which repeats the sound before it.
"""

from sfu.wire.rtp import sequence_step

REACH = 64  # packets after an unmuting within which one from before it may still come: reordered, or out of RED
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
    """Whether the broadcaster is muted, and up to which packet an unmuting does not reach back.

    A packet that was sent while muted may come after the unmuting, late or inside a RED packet, and the in-band FEC of the next
    one repeats its sound: so all up to the one after the newest stay silent.
    """

    def __init__(self) -> None:
        self.on = False
        self.idle = True  # nothing is covered: nobody has to ask
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

    def covers(self, sequence: int) -> bool:
        """Does this packet (16-bit sequence) lose its sound?"""
        if self.on or self._last is None:
            return self.on
        step = sequence_step(sequence, self._last)
        if step > REACH:
            self._last, self.idle = None, True
        return step <= 0
