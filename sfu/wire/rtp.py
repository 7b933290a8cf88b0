"""RTP headers and sequence arithmetic (RFC 3550, 8285, 6464), and how long an Opus packet lasts (RFC 6716 §3.1).

Pure functions on bytes. Parsers raise ValueError on anything malformed, and nothing else. RTCP lives in `rtcp`, RED in `red`.
"""

from struct import Struct
from typing import NamedTuple

HEADER_LENGTH = 12
NO_LEVEL = float("nan")  # what `RtpPacket.level_dbfs` is without RFC 6464

_HEADER = Struct("!BBHLL")
_EXTENSION = Struct("!HH")
_ONE_BYTE, _TWO_BYTE = 0xBEDE, 0x1000


class RtpPacket(NamedTuple):
    """One parsed packet. sequence: 16 bits, timestamp and ssrc: 32 bits; level_dbfs in [-127, 0] or nan."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    level_dbfs: float = NO_LEVEL


def parse(packet: bytes, level_id: int | None = None) -> RtpPacket:
    """Take a decrypted packet apart; level_id is the negotiated id of the ssrc-audio-level extension.

    Padding is cut off (a packet of nothing but padding has payload b""), CSRCs and other extensions are skipped.
    """
    length = len(packet)
    if length < HEADER_LENGTH:
        raise ValueError("RTP header is cut short")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(packet)
    if first >> 6 != 2:
        raise ValueError("RTP version is not 2")
    start, level = HEADER_LENGTH + 4 * (first & 0x0F), NO_LEVEL
    if first & 0x10:
        if length < start + 4:
            raise ValueError("RTP extension is cut short")
        profile, words = _EXTENSION.unpack_from(packet, start)
        value_at, start = start + 4, start + 4 + 4 * words
        if level_id is not None and start <= length:
            found = find_extension(profile, packet[value_at:start], level_id)
            if found:
                level = -float(found[0] & 0x7F)
    end = length
    if first & 0x20:
        padding = packet[-1]
        if not padding:
            raise ValueError("RTP padding of no length")
        end -= padding
    if start > end:
        raise ValueError("RTP packet is cut short")
    return RtpPacket(second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, packet[start:end], level)


def find_extension(profile: int, value: bytes, wanted: int) -> bytes | None:
    """The value of one header extension in one- or two-byte form (RFC 8285), or None; a broken block ends the search."""
    one_byte = profile == _ONE_BYTE
    if not one_byte and profile & 0xFFF0 != _TWO_BYTE:
        return None
    at, end = 0, len(value)
    while at < end:
        if value[at] == 0:  # padding between elements
            at += 1
            continue
        if one_byte:
            number, length = value[at] >> 4, (value[at] & 0x0F) + 1
            at += 1
            if number in (0, 15):  # padding that has a length, or reserved: what follows is not to be read
                return None
        else:
            if at + 1 >= end:
                return None
            number, length = value[at], value[at + 1]
            at += 2
        if number == wanted:
            return value[at : at + length] if at + length <= end else None
        at += length
    return None


def build(
    payload_type: int,
    sequence: int,
    timestamp: int,
    ssrc: int,
    payload: bytes = b"",
    *,
    marker: bool = False,
    extensions: dict[int, bytes] | None = None,
) -> bytes:
    """A whole packet; sequence and timestamp are cut to 16 and 32 bits. extensions: id 1-14 -> 1-16 bytes, one-byte form."""
    first = 0x90 if extensions else 0x80
    head = _HEADER.pack(first, marker << 7 | payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
    if extensions:
        block = b"".join(bytes([number << 4 | len(value) - 1]) + value for number, value in extensions.items())
        block += bytes(-len(block) % 4)
        head += _EXTENSION.pack(_ONE_BYTE, len(block) // 4) + block
    return head + payload


def is_rtcp(packet: bytes) -> bool:
    """RTCP rather than RTP, by the second byte (RFC 5761 §4)? packet: at least 2 bytes."""
    return 192 <= packet[1] <= 223


def sequence_step(later: int, earlier: int) -> int:
    """later - earlier on the 16-bit circle, in [-32768, 32767]."""
    return (later - earlier + 0x8000 & 0xFFFF) - 0x8000


def timestamp_step(later: int, earlier: int) -> int:
    """later - earlier on the 32-bit circle, in [-2**31, 2**31 - 1]."""
    return (later - earlier + 0x80000000 & 0xFFFFFFFF) - 0x80000000


def unwrap_sequence(sequence: int, near: int) -> int:
    """The unbounded number nearest to `near` whose low 16 bits are `sequence`. May be negative close to the start."""
    return near + sequence_step(sequence, near)


def unwrap_timestamp(timestamp: int, near: int) -> int:
    """The unbounded time nearest to `near` whose low 32 bits are `timestamp`. May be negative close to the start."""
    return near + timestamp_step(timestamp, near)


def _frame_samples(config: int) -> int:
    if config < 12:
        return (480, 960, 1920, 2880)[config & 3]  # SILK
    if config < 16:
        return (480, 960)[config & 1]  # hybrid
    return (120, 240, 480, 960)[config & 3]  # CELT


_FRAME = tuple(_frame_samples(toc >> 3) for toc in range(256))
LONGEST_OPUS = 5760  # 120 ms, the most that RFC 6716 allows in one packet


def opus_samples(payload: bytes) -> int:
    """How long an Opus packet lasts, in samples at 48 kHz (120-5760), read off its TOC byte; 0 if it is none."""
    if not payload:
        return 0
    toc = payload[0]
    code = toc & 3
    if code == 3:
        frames = payload[1] & 0x3F if len(payload) > 1 else 0
    else:
        frames = (1, 2, 2)[code]
    samples = _FRAME[toc] * frames
    return samples if samples <= LONGEST_OPUS else 0


def opus_is_stereo(payload: bytes) -> bool:
    """Two channels inside, by the TOC byte? payload: not empty."""
    return bool(payload[0] & 4)
