"""RED, redundant audio (RFC 2198): one RTP payload that carries a packet and copies of earlier ones. Pure functions.

A payload has a 4-byte header `1|type:7|offset:14|length:10` for each earlier block, a 1-byte header for the primary block, then the
blocks in the same order, the primary last.
"""

from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

MAX_OFFSET = (1 << 14) - 1  # samples
MAX_LENGTH = (1 << 10) - 1  # bytes
MAX_BLOCKS = 32  # that `parse` accepts; browsers send 1-9

_BLOCK = Struct("!L")


class Block(NamedTuple):
    """One packet inside. offset: samples from its beginning to the RTP time stamp, 0 for the primary."""

    payload_type: int
    offset: int
    payload: bytes


def parse(payload: bytes) -> list[Block]:
    """The blocks, oldest first, the primary last; raises ValueError on anything malformed."""
    headers: list[tuple[int, int, int]] = []
    at, end = 0, len(payload)
    while True:
        if at >= end or len(headers) == MAX_BLOCKS:
            raise ValueError("RED headers do not end")
        if payload[at] < 0x80:
            break
        if at + 4 > end:
            raise ValueError("RED header is cut short")
        (word,) = _BLOCK.unpack_from(payload, at)
        headers.append((word >> 24 & 0x7F, word >> 10 & MAX_OFFSET, word & MAX_LENGTH))
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

    Earlier ones that do not fit the header (offset over 16383 samples, more than 1023 bytes) and empty ones are left out.
    """
    fitting = [(offset, block) for offset, block in earlier if 0 < offset <= MAX_OFFSET and 0 < len(block) <= MAX_LENGTH]
    heads = [_BLOCK.pack(1 << 31 | payload_type << 24 | offset << 10 | len(block)) for offset, block in fitting]
    return b"".join((*heads, bytes((payload_type,)), *(block for _, block in fitting), primary))
