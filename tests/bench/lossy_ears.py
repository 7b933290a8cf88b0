"""Both ends of a broadcast behind bad networks: they ask again, and send again, as browsers do."""

import asyncio
import time
from typing import Any, NamedTuple

import aiohttp

from sfu.wire import red, rtcp, rtp
from tests.bench.lean import Lean
from tests.bench.voice import SAMPLES, Voice
from tests.support.lossy import MEDIA, Way, at_random, in_bursts
from tests.support.softphone import OPUS, is_rtcp

BURST_SHARE, BURST_MEAN, JITTER_MS = 0.1, 3.0, 60.0
TICK_S = 0.01
ASK_AGAIN_S, MOST_ASKS, MOST_AT_ONCE = 0.04, 10, 64
REPORT_S = 1.0


def link(kind: str, seed: int) -> Way:
    """One direction of a bad network; an outage is made by setting `cut`."""
    if kind == "burst":
        return Way(in_bursts(BURST_SHARE, BURST_MEAN, seed), seed=seed)
    if kind == "jitter":
        return Way(jitter_ms=JITTER_MS, seed=seed)
    return Way(at_random(int(kind) / 100 if kind.isdigit() else 0.0, seed), seed=seed)


class Copy(NamedTuple):
    """The first copy of a packet that came: when (time.monotonic), and whether in another one's RED."""

    at_s: float
    red: bool


class Reception:
    """What RFC 3550 (A.3) has a receiver report: packets expected less packets received, whatever they were and when they came.

    What was only overtaken is not lost, then; and what was sent again and came makes up for what was lost, as in a browser.
    """

    def __init__(self, first: int) -> None:
        self._first, self._highest = first, first - 1
        self._received = self._expected_before = self._received_before = 0

    def count(self, number: int) -> None:
        """One packet came in. number: its sequence, unwrapped."""
        self._received += 1
        self._highest = max(self._highest, number)

    def report(self, source: int) -> rtcp.Report:
        """The share is of what came since the last call."""
        expected = self._highest - self._first + 1
        due, came = expected - self._expected_before, self._received - self._received_before
        self._expected_before, self._received_before = expected, self._received
        fraction = min(255, 256 * max(due - came, 0) // due) if due > 0 else 0
        return rtcp.Report(source, fraction, expected - self._received, self._highest & 0xFFFFFFFF, 0)


class Ear(Lean):
    """A listener who asks again for what is missing and takes RED apart.

    By sequence, unwrapped: `came`, the first copy; `lost`, whether her own link lost what was sent first, whatever came later.
    """

    def __init__(self, http: aiohttp.ClientSession, route: dict[str, Any]) -> None:
        super().__init__(http, route["url"], route["headers"], route["host"])
        self.came: dict[int, Copy] = {}
        self.lost: dict[int, bool] = {}
        self.known: tuple[int, bytes] | None = None  # some sequence, and its payload
        self.on_packet = self._take
        self._highest: int | None = None
        self._missing: dict[int, tuple[float, int]] = {}  # when it was last asked for, how often
        self._ssrc = 0
        self._reception: Reception | None = None
        self._asking: asyncio.Task[None] | None = None

    async def connect(self, certificate: Any) -> None:
        await super().connect(certificate)
        self._asking = asyncio.create_task(self._ask_on(), name="ear")

    async def hang_up(self, *, say_so: bool = True) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await super().hang_up(say_so=say_so)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        link = self.link_in
        lost_before = link.lost_count if link is not None else 0
        super().datagram_received(data, addr)
        if link is not None and self._highest is not None and len(data) > 3 and data[0] >= MEDIA and not is_rtcp(data):
            number = rtp.unwrap_sequence(int.from_bytes(data[2:4], "big"), self._highest)
            self.lost.setdefault(number, link.lost_count > lost_before)

    def _take(self, arrival_ns: int, packet: rtp.RtpPacket) -> None:
        now, self._ssrc = arrival_ns / 1e9, packet.ssrc
        if self._highest is None or self._reception is None:
            self._highest, self._reception = packet.sequence - 1, Reception(packet.sequence)
        number, payload = rtp.unwrap_sequence(packet.sequence, self._highest), packet.payload
        self._reception.count(number)
        if packet.payload_type != OPUS:
            *earlier, primary = red.parse(packet.payload)
            payload = primary.payload
            for block in earlier:
                self._note(number - block.offset // SAMPLES, Copy(now, red=True))
        self.known = self.known or (number, payload)
        self._note(number, Copy(now, red=False))
        for skipped in range(self._highest + 1, number):
            if skipped not in self.came:
                self._missing[skipped] = 0.0, 0
        self._highest = max(self._highest, number)

    def _note(self, number: int, copy: Copy) -> None:
        self.came.setdefault(number, copy)
        self._missing.pop(number, None)

    async def _ask_on(self) -> None:
        report_s = time.monotonic() + REPORT_S
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            due = [number for number, (asked_s, times) in self._missing.items() if now - asked_s >= ASK_AGAIN_S and times < MOST_ASKS]
            if due:
                self._ask_for(due[:MOST_AT_ONCE], now)
            if now >= report_s and self._reception is not None:
                report_s = now + REPORT_S
                self.send_rtcp(rtcp.build_receiver_report(self.ssrc, [self._reception.report(self._ssrc)]))

    def _ask_for(self, numbers: list[int], now: float) -> None:
        for number in numbers:
            self._missing[number] = now, self._missing[number][1] + 1
        nack = rtcp.build_nack(self.ssrc, self._ssrc, [number & 0xFFFF for number in numbers])
        self.send_rtcp(rtcp.build_receiver_report(self.ssrc) + nack)


async def resend(voice: Voice) -> None:
    """Answer the server's requests for what it misses of this voice, until cancelled."""
    heard = voice.mouth.rtcp
    while True:
        await asyncio.sleep(TICK_S)
        for packet in heard:
            if isinstance(packet, rtcp.Nack):
                for sequence in packet.sequences:
                    voice.again(sequence)
        heard.clear()
