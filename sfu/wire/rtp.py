"""RTP headers and the arithmetic of sequence numbers and time stamps (RFC 3550, 8285, 6464).

Pure functions on bytes. Parsers raise ValueError on anything malformed, and nothing else.
"""

from struct import Struct
from typing import NamedTuple

HEADER_LENGTH = 12
NO_LEVEL = float("nan")  # `RtpPacket.level_dbfs` of a packet without the RFC 6464 extension

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
    """Parse a decrypted packet; level_id is the negotiated id of the ssrc-audio-level extension.

    Padding is removed (a packet of padding alone has payload b""), CSRCs and other extensions are skipped.
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
            raise ValueError("RTP padding has no length")
        end -= padding
    if start > end:
        raise ValueError("RTP packet is cut short")
    return RtpPacket(second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, packet[start:end], level)


def find_extension(profile: int, value: bytes, wanted: int) -> bytes | None:
    """The value of one header extension in one- or two-byte form (RFC 8285), or None; a malformed element ends the search."""
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
            if number in (0, 15):  # padding with a length, or reserved: RFC 8285 §4.2 ends the parsing here
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
