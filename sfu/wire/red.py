"""RED, redundant audio (RFC 2198): one RTP payload that carries a packet and the ones before it.

Pure functions. A payload: 4-byte headers `1|type:7|offset:14|length:10` for the earlier blocks, a 1-byte header for the
primary, then the blocks in the same order, the primary last.
"""

from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

MOST_OFFSET = (1 << 14) - 1  # samples
MOST_LENGTH = (1 << 10) - 1  # bytes
MOST_BLOCKS = 32  # what a parser puts up with; browsers send 1-9

_BLOCK = Struct("!L")


class Block(NamedTuple):
    """One packet inside; offset: how many samples before the RTP time stamp it began (0 for the primary)."""

    payload_type: int
    offset: int
    payload: bytes


def parse(payload: bytes) -> list[Block]:
    """The blocks, oldest first, the primary last; raises ValueError on anything malformed."""
    headers: list[tuple[int, int, int]] = []
    at, end = 0, len(payload)
    while True:
        if at >= end or len(headers) == MOST_BLOCKS:
            raise ValueError("RED headers do not end")
        if payload[at] < 0x80:
            break
        if at + 4 > end:
            raise ValueError("RED header is cut short")
        (word,) = _BLOCK.unpack_from(payload, at)
        headers.append((word >> 24 & 0x7F, word >> 10 & MOST_OFFSET, word & MOST_LENGTH))
        at += 4
    primary_type = payload[at]
    at += 1
    blocks: list[Block] = []
    for payload_type, offset, length in headers:
        if at + length > end:
            raise ValueError("RED block is cut short")
        blocks.append(Block(payload_type, offset, payload[at : at + length]))
        at += length
    blocks.append(Block(primary_type, 0, payload[at:]))
    return blocks


def build(payload_type: int, primary: bytes, earlier: Iterable[tuple[int, bytes]] = ()) -> bytes:
    """One payload from a packet and earlier ones as (offset in samples, payload), oldest first, all of one payload type.

    What does not fit the fields (offset over 16383 samples, more than 1023 bytes, nothing at all) is left out.
    """
    fitting = [(offset, block) for offset, block in earlier if 0 < offset <= MOST_OFFSET and 0 < len(block) <= MOST_LENGTH]
    heads = [_BLOCK.pack(1 << 31 | payload_type << 24 | offset << 10 | len(block)) for offset, block in fitting]
    return b"".join((*heads, bytes((payload_type,)), *(block for _, block in fitting), primary))
