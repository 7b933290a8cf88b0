"""Opus packets on a time line, in an Ogg file that a crash cannot damage (RFC 7845).

Position 0 of the file is time 0 of the broadcast. Gaps are filled to their true length with packets that consist of a TOC byte only
(§4.1). A file closed at `end` decodes to exactly `end` samples: the encoder's look-ahead is skipped at the beginning (pre-skip), and
a silent packet at the end carries the samples that it delays.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from workers.link.opus_toc import opus_samples
from workers.recordings import ogg

# The files of a recording. HEARD becomes DENOISED with the first denoised packet; one that a crash leaves behind is deleted.
ORIGINAL, DENOISED, HEARD = "original.opus", "denoised.opus", "heard.opus"
RATE_HZ = 48_000
PRE_SKIP = 312  # libopus' look-ahead, 6.5 ms
PAGE_SAMPLES = 9_600  # a page is written every 200 ms
QUANTUM = 120  # 2.5 ms: the shortest Opus frame, so the shortest gap that can be filled
PREROLL = RATE_HZ // 2  # decoded and discarded before a position in the middle (§4.6 asks for at least 80 ms)
_HEAD = struct.Struct("<8sBBHIhB")  # OpusHead: version channels pre-skip rate gain family
_CELT_TOC = 0xF8  # full band, 20 ms, mono: used before the first packet


def silent_packets(toc: int, samples: int) -> tuple[bytes, int, bytes]:
    """What fills a gap: (packet of 20 ms, its count, the TOC bytes of shorter packets after them), in the mode of `toc` if possible.

    samples: rounded down to 2.5 ms.
    """
    count, rest = divmod(samples, 960)
    shorter = b""
    for length in (480, 240, 120):
        if rest >= length:
            shorter += bytes([_toc_like(toc, length)])
            rest -= length
    return bytes([_toc_like(toc, 960)]), count, shorter


def _toc_like(toc: int, samples: int) -> int:
    """The TOC byte of a single frame of `samples` (120, 240, 480, 960), with the same mode, bandwidth and channels if possible."""
    config, stereo = toc >> 3, toc & 4
    if config >= 16:
        config = (config & ~3) + samples.bit_length() - 7
    elif samples < 480:
        config = 28 + samples.bit_length() - 7  # only CELT has such short frames
    elif config >= 12:
        config = (config & ~1) + (samples == 960)
    else:
        config = (config & ~3) + (samples == 960)
    return config << 3 | stereo


class OpusFile:
    """One variant of a recording while it is written. Owns the file; every call may raise OSError, and none leaves part of a page.

    position: samples at 48 kHz in the file, including the page being filled. size: bytes written so far.
    """

    def __init__(self, file: BinaryIO, serial: int, sequence: int, position: int, toc: int) -> None:
        self.position = position
        self.size = file.tell()
        self._file = file
        self._serial = serial
        self._sequence = sequence
        self._toc = toc
        self._page: list[bytes] = []
        self._room = ogg.MAX_SEGMENTS
        self._page_began = position

    @classmethod
    def create(cls, path: Path, channels: int) -> Self:
        """A new file with both headers written. channels: 1 or 2, how players output it."""
        opened = cls(path.open("xb", buffering=0), int.from_bytes(os.urandom(4), "little"), 0, 0, _CELT_TOC)
        vendor = b"Hushcast"
        try:
            opened._write([_HEAD.pack(b"OpusHead", 1, channels, PRE_SKIP, RATE_HZ, 0, 0)], 0, ogg.FIRST)
            opened._write([b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + bytes(4)], 0)
        except OSError:
            opened._file.close()
            raise
        return opened

    @classmethod
    def resume(cls, path: Path) -> Self | None:
        """Continue a file that a crash left open: what is after its last whole page is cut off. None where it was closed.

        Serial, page sequence and granule position continue. Raises ValueError where it holds no sound, OSError.
        """
        file = path.open("r+b", buffering=0)
        try:
            with path.open("rb") as buffered:
                page = ogg.last_page(buffered)
            if page is None or page.sequence < 1:
                raise ValueError(f"{path.name} holds no sound")
            if page.flags & ogg.LAST:
                file.close()
                return None
            file.truncate(page.offset + page.size)
            file.seek(0, os.SEEK_END)
        except BaseException:
            file.close()
            raise
        heard = page.packets[-1] if page.sequence > 1 and page.packets else b""
        return cls(file, page.serial, page.sequence + 1, page.granule, heard[0] if heard else _CELT_TOC)

    def packet(self, payload: bytes, samples: int) -> None:
        """Append one packet. samples: its duration, 120..5760."""
        needed = ogg.segments(payload)
        if self._page and (self.position - self._page_began >= PAGE_SAMPLES or needed > self._room):
            self.flush()
        self._page.append(payload)
        self._room -= needed
        self._toc = payload[0]
        self.position += samples

    def silence(self, samples: int) -> None:
        """Append a gap of that length, rounded down to 2.5 ms, whole pages at a time."""
        packet, count, shorter = silent_packets(self._toc, samples)
        while count:
            if self._page and (self.position - self._page_began >= PAGE_SAMPLES or not self._room):
                self.flush()
            taken = min(count, self._room)
            self._page += [packet] * taken
            self._room -= taken
            self.position += taken * 960
            count -= taken
        for toc in shorter:
            self.packet(bytes([toc]), opus_samples(bytes([toc])))

    def fill(self, end: int) -> None:
        """Append silence up to `end`, if the file is shorter."""
        if end - self.position >= QUANTUM:
            self.silence(end - self.position)

    def flush(self) -> None:
        """Write the page being filled, if it has packets."""
        if self._page:
            page, self._page, self._room = self._page, [], ogg.MAX_SEGMENTS
            self._page_began = self.position
            self._write(page, self.position)

    def close(self, end: int) -> None:
        """Fill up to `end`, end the stream so that it decodes to `end` samples, and close the file. Idempotent."""
        if self._file.closed:
            return
        with self._file:
            self.fill(end)
            end = max(end, self.position)
            self.silence(960)  # carries the last 312 samples, which the encoder delays
            page, self._page = self._page, []
            self._write(page, end + PRE_SKIP, ogg.LAST)
            os.fsync(self._file.fileno())

    def leave(self) -> None:
        """Write the page being filled and close the file without ending the stream, so that `resume` can continue it."""
        with self._file:
            self.flush()
            os.fsync(self._file.fileno())

    def abandon(self) -> None:
        """Close the file as it is, after an error; the page being filled is lost."""
        self._page = []
        self._file.close()

    def _write(self, packets: list[bytes], granule: int, flags: int = 0) -> None:
        page = memoryview(ogg.build(packets, granule, self._serial, self._sequence, flags))
        try:
            while page:
                page = page[self._file.write(page) :]
        except OSError:
            self._file.truncate(self.size)  # a full disk may have taken part of a page
            raise
        self.size = self._file.tell()
        self._sequence += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.abandon()


def length(path: Path) -> int:
    """How many samples (48 kHz) a file decodes to, its last page tells; it may still grow, or end in a broken page. Raises OSError."""
    with path.open("rb") as file:
        page = ogg.last_page(file)
        return 0 if page is None else max(0, page.granule - PRE_SKIP)


def packets_from(path: Path, sample: int) -> Iterator[tuple[int, bytes]]:
    """Packets to decode for the sound from `sample` on, each with the sample at which its sound begins (pre-skip counted off).

    Begins early enough (PREROLL) for a new decoder to be in step; the caller throws away what comes before `sample`.
    """
    with path.open("rb") as file:
        page = ogg.page_before(file, max(0, sample - PREROLL)) if sample > PREROLL else None
        if page is None or page.sequence < 2:
            offset, position = 0, 0
        else:
            offset, position = page.offset + page.size, page.granule
        for page in ogg.pages(file, offset):
            if page.sequence < 2:
                continue
            for payload in page.packets:
                yield position - PRE_SKIP, payload
                position += opus_samples(payload)
