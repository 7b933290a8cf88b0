"""From recorded packets back to samples: any range of a recording, at its exact length, in constant memory.

A decoder that starts in the middle never produces exactly the samples of one that started at the beginning (SILK has rounding in
feedback loops; the difference is inaudible, some 60 dB below the voice). So that every request gets the same bytes for the same range,
sound is decoded in fixed segments, each with a reset decoder that has decoded the half second before.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers.link.opus_toc import opus_samples
from workers.recordings.opusfile import packets_from
from workers.voice.opus import Decoder, OpusError

BLOCK = 48_000  # samples that are yielded at once: a second
SEGMENT = 20 * BLOCK


def sound(path: Path, begin: int, end: int) -> Iterator[NDArray[np.float32]]:
    """The samples begin..end-1 of one file as float32[BLOCK] (the last one shorter), mono at 48 kHz; silence where the file ends before."""
    waiting: list[NDArray[np.float32]] = []
    count, left = 0, end - begin
    for piece in _pieces(path, begin, end):
        waiting.append(piece)
        count += len(piece)
        while count >= BLOCK:
            whole = np.concatenate(waiting)
            yield whole[:BLOCK]
            waiting, count, left = [whole[BLOCK:]], count - BLOCK, left - BLOCK
    yield from _padded(np.concatenate([*waiting, np.zeros(0, np.float32)]), left)


def _padded(rest: NDArray[np.float32], left: int) -> Iterator[NDArray[np.float32]]:
    for at in range(0, left, BLOCK):
        block = np.zeros(min(BLOCK, left - at), np.float32)
        piece = rest[at : at + len(block)]
        block[: len(piece)] = piece
        yield block


def _pieces(path: Path, begin: int, end: int) -> Iterator[NDArray[np.float32]]:
    """The sound of the packets from sample `begin` to `end`, without gaps."""
    decoder = Decoder()
    try:
        while begin < end:
            border = min(end, (begin // SEGMENT + 1) * SEGMENT)
            decoder.reset()
            for time, payload in packets_from(path, begin // SEGMENT * SEGMENT):
                piece = _decoded(decoder, payload)
                if time + len(piece) > begin:
                    yield piece[max(0, begin - time) : border - time]
                if time + len(piece) >= border:
                    break
            begin = border
    finally:
        decoder.close()


def _decoded(decoder: Decoder, payload: bytes) -> NDArray[np.float32]:
    """One packet's sound; silence where its content is invalid, which a foreign encoder may send."""
    try:
        return decoder.decode(payload)
    except OpusError:
        return np.zeros(opus_samples(payload), np.float32)


def pcm16(block: NDArray[np.float32]) -> NDArray[np.int16]:
    """float32 in [-1, 1] as int16, clipped."""
    whole: NDArray[np.int16] = np.clip(np.rint(block * 32768), -32768, 32767).astype("<i2")
    return whole
