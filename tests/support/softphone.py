"""A light WHIP and WHEP client for tests and benchmarks: real ICE, DTLS and SRTP on loopback, packets as they are.

It neither buffers nor decodes: what was received is a list of (arrival_ns, RTP packet), so that a test can look at numbers,
time stamps and gaps. Media goes from a plain UDP socket bound to 127.0.0.1.
"""

import asyncio
import contextlib
import os
import random
import re
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Protocol

import aiohttp
from aioice import stun
from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from pylibsrtp import Error as SrtpError

from sfu.wire import rtcp, rtp

OPUS, RED, LEVEL_ID, MID_ID = 111, 63, 1, 4
CONSENT_S = 2.5
CHANCE = random.SystemRandom()  # that of the module is watched by hypothesis, whose tests may draw in another thread meanwhile
CONNECT_S = 20.0


def is_rtcp(packet: bytes) -> bool:
    """Whether this is RTCP rather than RTP, by the second byte (RFC 5761 §4). packet: at least 2 bytes."""
    return 192 <= packet[1] <= 223


def offer(certificate: RTCCertificate, direction: str, ssrc: int, *, ufrag: str, password: str, red: bool = False) -> str:
    """An audio offer in the shape of Chromium's."""
    [fingerprint] = [f for f in certificate.getFingerprints() if f.algorithm == "sha-256"]
    formats = f"{OPUS} {RED}" if red else f"{OPUS}"
    lines = [
        "v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0", "a=msid-semantic: WMS",
        f"m=audio 9 UDP/TLS/RTP/SAVPF {formats}", "c=IN IP4 0.0.0.0", "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{password}", "a=ice-options:trickle",
        f"a=fingerprint:sha-256 {fingerprint.value}", "a=setup:actpass", "a=mid:0",
        f"a=extmap:{LEVEL_ID} urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        f"a={direction}", "a=rtcp-mux", f"a=rtpmap:{OPUS} opus/48000/2",
        f"a=rtcp-fb:{OPUS} nack", f"a=fmtp:{OPUS} minptime=10;useinbandfec=1",
    ]  # fmt: skip
    if red:
        lines += [f"a=rtpmap:{RED} red/48000/2", f"a=fmtp:{RED} {OPUS}/{OPUS}"]
    if direction == "sendonly":
        lines.append(f"a=ssrc:{ssrc} cname:softphone")
    return "\r\n".join(lines) + "\r\n"


class Way(Protocol):
    """What datagrams go out by."""

    def sendto(self, data: bytes, /) -> None: ...

    def close(self) -> None: ...


class Softphone(asyncio.DatagramProtocol):
    """One client: `publish` or `listen`, then `send` or read `received`. Owns its socket, DTLS and HTTP resource."""

    role = "controlling"  # what RTCDtlsTransport asks of its transport
    nominates = True  # with each request, as Chromium does with an end that is ICE-lite
    through: int | None = None  # the port of a relay on loopback that stands before the server

    def __init__(self, http: aiohttp.ClientSession, base_url: str, headers: dict[str, str] | None = None) -> None:
        self.received: list[tuple[int, rtp.RtpPacket]] = []
        self.on_packet: Callable[[int, rtp.RtpPacket], None] | None = None
        self.rtcp: list[object] = []
        self.location = ""
        self.etag = ""
        self.answer = ""
        self.ssrc = int.from_bytes(os.urandom(4), "big") or 1
        self.lossy: Callable[[bytes], bool] | None = None  # True: this outgoing datagram is lost on the way
        self.deaf: Callable[[bytes], bool] | None = None  # True: this incoming one is
        self._http, self._base_url, self._headers = http, base_url.rstrip("/"), headers or {}
        self._incoming: asyncio.Queue[bytes] = asyncio.Queue(64)
        self._bound = asyncio.Event()  # the server has answered over this socket
        self._asked: set[bytes] = set()  # transactions of the requests over this socket
        self._more = asyncio.Event()
        self._connected = asyncio.Event()
        self._consent: asyncio.Task[None] | None = None
        self._socket: Way | None = None
        self._ufrag, self._password = os.urandom(3).hex(), os.urandom(12).hex()

    async def __aenter__(self) -> "Softphone":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        await self.hang_up()

    async def publish(self, username: str, query: str = "", *, red: bool = False) -> None:
        await self._call(f"/whip/{username}{query}", "sendonly", red)

    async def listen(self, username: str, query: str = "", *, red: bool = False) -> None:
        await self._call(f"/whep/{username}{query}", "recvonly", red)

    async def _call(self, path: str, direction: str, red: bool) -> None:
        certificate = RTCCertificate.generateCertificate()
        body = self._offer(certificate, direction, red)
        headers = {"Content-Type": "application/sdp", "Origin": self._base_url, **self._headers}
        async with self._http.post(self._base_url + path, data=body, headers=headers) as response:
            self.answer = await response.text()
            assert response.status == 201, (response.status, self.answer)
            self.location, self.etag = response.headers["Location"], response.headers["ETag"]
        await self.connect(certificate)

    def _offer(self, certificate: RTCCertificate, direction: str, red: bool) -> str:
        return offer(certificate, direction, self.ssrc, ufrag=self._ufrag, password=self._password, red=red)

    async def connect(self, certificate: RTCCertificate) -> None:
        """ICE and DTLS with the server of `answer`."""
        said = dict(re.findall(r"a=(ice-ufrag|ice-pwd|setup):(\S+)", self.answer))
        address, port = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", self.answer, re.I)[0]
        self._remote = (said["ice-ufrag"], said["ice-pwd"])
        fingerprints = [RTCDtlsFingerprint(*pair) for pair in re.findall(r"a=fingerprint:(\S+) (\S+)", self.answer)]
        self._socket = await self._open(address, int(port))
        self._consent = asyncio.create_task(self._keep_consent(), name="consent")
        await asyncio.wait_for(self._bound.wait(), CONNECT_S)
        self._dtls = RTCDtlsTransport(self, [certificate])  # type: ignore[arg-type]
        self._dtls._set_role("client" if said["setup"] == "passive" else "server")
        await asyncio.wait_for(self._dtls.start(RTCDtlsParameters(fingerprints=fingerprints)), CONNECT_S)
        assert self._dtls.state == "connected", self._dtls.state
        self._connected.set()

    async def _open(self, address: str, port: int) -> "Way":
        """A socket whose datagrams come to `datagram_received`."""
        local = "::1" if ":" in address else "127.0.0.1"
        loop, port = asyncio.get_running_loop(), self.through or port
        way, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(local, 0), remote_addr=(address, port))
        return way

    async def hang_up(self, *, say_so: bool = True) -> None:
        """Close everything; `say_so`: DTLS close_notify first."""
        if self._consent is not None:
            self._consent.cancel()
            await asyncio.gather(self._consent, return_exceptions=True)
            self._consent = None
        if self._connected.is_set():
            self._connected.clear()
            task = self._dtls._task
            if not say_so:
                self.lossy = lambda _: True
            await self._dtls.stop()
            if task is not None:
                await asyncio.gather(task, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            await asyncio.sleep(0)

    async def delete(self) -> int:
        """DELETE of the resource; the status."""
        headers = {"Origin": self._base_url, **self._headers}
        async with self._http.delete(self.url, headers=headers) as response:
            return response.status

    @property
    def url(self) -> str:
        return self.location if "://" in self.location else self._base_url + self.location

    # media

    def send(self, sequence: int, timestamp: int, payload: bytes, *, level_dbov: int | None = None, payload_type: int = OPUS) -> None:
        """One Opus packet; level_dbov: RFC 6464, 0 to 127 below full scale."""
        extensions = None if level_dbov is None else {LEVEL_ID: bytes([level_dbov])}
        packet = rtp.build(payload_type, sequence, timestamp, self.ssrc, payload, extensions=extensions)
        self._out(self._dtls._tx_srtp.protect(packet))

    def send_rtcp(self, packet: bytes) -> None:
        self._out(self._dtls._tx_srtp.protect_rtcp(packet))

    async def talk(
        self,
        packets: Iterable[bytes],
        *,
        first: int = 0,
        samples: int = 960,
        skip: frozenset[int] = frozenset(),
        until: asyncio.Event | None = None,
    ) -> int:
        """Send Opus packets at their pace, all, or `until` it is set or the phone hangs up; how many those were.

        skip: indices that are lost.

        Sequence and time stamp start at `first` packets.
        """
        loop, start, index = asyncio.get_running_loop(), time.monotonic(), -1
        for index, payload in enumerate(packets):
            await asyncio.sleep(max(0.0, start + index * samples / 48_000 - time.monotonic()))
            if (until is not None and until.is_set()) or not self._connected.is_set():
                return index
            if index not in skip and loop.is_running():
                number = first + index
                self.send(number & 0xFFFF, number * samples & 0xFFFFFFFF, payload)
        return index + 1

    async def heard(self, count: int, timeout_s: float = 20.0) -> None:
        """Wait until `count` packets have been received."""
        async with asyncio.timeout(timeout_s):
            while len(self.received) < count:
                self._more.clear()
                await self._more.wait()

    # the socket

    async def _keep_consent(self) -> None:
        while True:
            self._ask()
            await asyncio.sleep(CONSENT_S * CHANCE.uniform(0.8, 1.2) if self._bound.is_set() else 0.05)  # RFC 7675: never in step

    def _ask(self) -> None:
        request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self._remote[0]}:{self._ufrag}"
        request.attributes["PRIORITY"] = 1845501695
        request.attributes["ICE-CONTROLLING"] = 1
        if self.nominates:
            request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(self._remote[1].encode())
        request.add_fingerprint()
        self._asked.add(request.transaction_id)
        self._out(bytes(request))

    def _out(self, datagram: bytes) -> None:
        if self._socket is not None and not (self.lossy and self.lossy(datagram)):
            self._socket.sendto(datagram)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        now_ns = time.monotonic_ns()
        if not data or (self.deaf and self.deaf(data)):
            return
        if data[0] < 4:
            with contextlib.suppress(ValueError):
                message = stun.parse_message(data)
                if message.message_class == stun.Class.RESPONSE and message.transaction_id in self._asked:
                    self._bound.set()
        elif 19 < data[0] < 64:
            with contextlib.suppress(asyncio.QueueFull):
                self._incoming.put_nowait(data)
        elif self._connected.is_set():
            self._media(data, now_ns)

    def _media(self, data: bytes, now_ns: int) -> None:
        try:
            if is_rtcp(data):
                self.rtcp.extend(rtcp.parse(self._dtls._rx_srtp.unprotect_rtcp(data)))
                return
            packet = rtp.parse(self._dtls._rx_srtp.unprotect(data))
        except SrtpError:
            return
        if self.on_packet is not None:
            self.on_packet(now_ns, packet)
        else:
            self.received.append((now_ns, packet))
            self._more.set()

    async def _send(self, data: bytes) -> None:
        self._out(data)

    async def _recv(self) -> bytes:
        return await self._incoming.get()
