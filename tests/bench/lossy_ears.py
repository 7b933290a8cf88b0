"""Both ends of a broadcast behind bad networks: they ask again, and send again, as browsers do."""

import asyncio
import time
from typing import Any, NamedTuple

import aiohttp

from sfu import red, rtcp, rtp
from tests.bench.lean import Lean
from tests.bench.voice import Voice
from tests.lossy import Way, at_random, in_bursts
from tests.softphone import OPUS

KINDS = ("none", "5", "10", "20", "burst", "jitter", "outage")
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
    """The first copy of a packet that came: when (time.monotonic), and how: "sent", "resent" or "red"."""

    at_s: float
    how: str


class Ear(Lean):
    """A listener who asks again for what is missing and takes RED apart. `came`: by sequence, unwrapped."""

    def __init__(self, http: aiohttp.ClientSession, route: dict[str, Any]) -> None:
        super().__init__(http, route["url"], route["headers"], route["host"])
        self.came: dict[int, Copy] = {}
        self.known: tuple[int, bytes] | None = None  # some sequence, and its payload
        self.on_packet = self._take
        self._highest: int | None = None
        self._missing: dict[int, tuple[float, int]] = {}  # when it was last asked for, how often
        self._ssrc = 0
        self._lost, self._told = 0, 0
        self._asking: asyncio.Task[None] | None = None

    async def connect(self, certificate: Any) -> None:
        await super().connect(certificate)
        self._asking = asyncio.create_task(self._ask_on(), name="ear")

    async def hang_up(self, *, say_so: bool = True) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await super().hang_up(say_so=say_so)

    def _take(self, arrival_ns: int, packet: rtp.RtpPacket) -> None:
        now, self._ssrc = arrival_ns / 1e9, packet.ssrc
        if self._highest is None:
            self._highest = self._told = packet.sequence - 1
        number, payload = rtp.unwrap_sequence(packet.sequence, self._highest), packet.payload
        if packet.payload_type != OPUS:
            *earlier, primary = red.parse(packet.payload)
            payload = primary.payload
            for back in range(1, len(earlier) + 1):
                self._note(number - back, Copy(now, "red"))
        self.known = self.known or (number, payload)
        self._note(number, Copy(now, "resent" if number in self._missing else "sent"))
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
            if now >= report_s and self._highest is not None:
                report_s = now + REPORT_S
                self._report_on(self._highest)

    def _ask_for(self, numbers: list[int], now: float) -> None:
        for number in numbers:
            self._missing[number] = now, self._missing[number][1] + 1
        nack = rtcp.build_nack(self.ssrc, self._ssrc, [number & 0xFFFF for number in numbers])
        self.send_rtcp(rtcp.build_receiver_report(self.ssrc) + nack)

    def _report_on(self, highest: int) -> None:
        """The share that the network lost since the last report, repaired or not."""
        fresh = range(self._told + 1, highest + 1)
        lost = sum(number not in self.came or self.came[number].how != "sent" for number in fresh)
        self._lost, self._told = self._lost + lost, highest
        report = rtcp.Report(self._ssrc, min(255, 256 * lost // max(len(fresh), 1)), self._lost, highest & 0xFFFFFFFF, 0)
        self.send_rtcp(rtcp.build_receiver_report(self.ssrc, [report]))


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
