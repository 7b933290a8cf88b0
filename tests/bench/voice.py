"""What the benches say: packets of the size of 32 kb/s that can be told apart, or real Opus where it will be decoded."""

import asyncio
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from sfu.wire import rtp
from tests.bench.lean import Lean
from tests.support.softphone import Softphone
from tests.support.sound import Sound, encode

SAMPLES = 960
PACKET_S = SAMPLES / 48_000
PAYLOAD_BYTES = 80  # 20 ms at 32 kb/s
TOC = 0x78  # 20 ms, mono
LEVEL_DBOV = 30
KEPT = 512  # packets, for those who ask again
MARK_EVERY = 64  # packets: one loud one in silence


@dataclass
class Sent:
    """A window of packets: numbers from `first` on, and when each went out (CLOCK_REALTIME, ns)."""

    first: int
    number_of: Callable[[bytes, int], int]  # payload, the earliest number that it can be; raises KeyError for strange ones
    stamps_ns: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    lost: list[bool] = field(default_factory=list)  # by the broadcaster's own link
    late_s: float = 0.0  # how far the voice was out of step at its worst
    at_s: list[float] = field(default_factory=list)  # time.monotonic, when it was handed to the socket or its link


class Voice:
    """One broadcaster at 50 packets a second. `packets`: real Opus, over and over; without: numbered ones."""

    def __init__(self, mouth: Softphone, packets: Sequence[bytes] = ()) -> None:
        self.mouth = mouth
        self._packets = packets
        self._places = {payload: at for at, payload in enumerate(packets)}
        self._spoken: dict[int, tuple[int, int, bytes]] = {}
        self._next = 0
        self._began = time.monotonic()

    async def talk(self, count: int) -> Sent:
        """Send `count` packets at their pace. A pause since the last ones is a pause in RTP time too, as with DTX."""
        sent = Sent(self._next, self._number_of)
        start = time.monotonic()
        shift = round((start - self._began) / PACKET_S) - self._next
        for at in range(count):
            await asyncio.sleep(max(0.0, start + at * PACKET_S - time.monotonic()))
            payload = self._payload(self._next)
            place = self._next & 0xFFFF, (self._next + shift) * SAMPLES & 0xFFFFFFFF, payload
            self._spoken[self._next % KEPT] = place
            sent.at_s.append(time.monotonic())
            sent.late_s = max(sent.late_s, sent.at_s[-1] - start - at * PACKET_S)
            lost_before = self._lost
            self.mouth.send(*place, level_dbov=LEVEL_DBOV)
            sent.lost.append(self._lost > lost_before)
            sent.stamps_ns.append(self.mouth.way.sent_ns if isinstance(self.mouth, Lean) else time.clock_gettime_ns(time.CLOCK_REALTIME))
            sent.lengths.append(len(payload))
            self._next += 1
        await asyncio.sleep(max(0.0, start + count * PACKET_S - time.monotonic()))
        return sent

    @property
    def _lost(self) -> int:
        link = self.mouth.link_out if isinstance(self.mouth, Lean) else None
        return link.lost_count if link is not None else 0

    def again(self, sequence: int) -> None:
        """Send what the other end has missed, if it is not too long ago."""
        number = rtp.unwrap_sequence(sequence, self._next)
        place = self._spoken.get(number % KEPT)
        if place is not None and place[0] == sequence:
            self.mouth.send(*place, level_dbov=LEVEL_DBOV)

    def _payload(self, number: int) -> bytes:
        if self._packets:
            return self._packets[number % len(self._packets)]
        return struct.pack("!BL", TOC, number).ljust(PAYLOAD_BYTES, b"\x5a")

    def _number_of(self, payload: bytes, earliest: int) -> int:
        """Of a payload that came out unchanged; of numbered ones also where it is the last in a RED packet."""
        if self._packets:
            return earliest + (self._places[payload] - earliest) % len(self._packets)
        return int(struct.unpack("!L", payload[-PAYLOAD_BYTES:][1:5])[0])


def marked() -> list[bytes]:
    """Real Opus: faint noise, and every MARK_EVERY packets 20 ms of loud."""
    noise = np.random.default_rng(1)
    sound: Sound = noise.normal(0, 1e-4, SAMPLES * MARK_EVERY * 4).astype(np.float32)
    for at in range(MARK_EVERY // 2, len(sound) // SAMPLES, MARK_EVERY):
        piece = slice(at * SAMPLES, (at + 1) * SAMPLES)
        sound[piece] += noise.normal(0, 0.2, SAMPLES).astype(np.float32)
    return encode(sound, bitrate=32_000)
