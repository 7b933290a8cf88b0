"""The softphone for many at once: after its DTLS handshake a listener costs next to nothing.

Its packets gather in its socket, stamped by the kernel, and are fetched a few times a second; of each fetch one packet is
decrypted as a sample, of the others the RTP header is read, which is in clear.
"""

import asyncio
import contextlib
from typing import NamedTuple

import aiohttp
import numpy as np
import numpy.typing as npt
from aioice import stun
from aiortc import RTCCertificate
from pylibsrtp import Error as SrtpError

from sfu.wire import rtcp, rtp
from tests.bench.stamps import Datagrams, Drain, StampedSocket
from tests.support.lossy import Way
from tests.support.softphone import Softphone
from tests.support.softphone import Way as Outlet

FETCH_S = 0.2
REPORT_FETCHES = 25  # a receiver report every 5 s, as browsers send them


class Sample(NamedTuple):
    sequence: int
    payload: bytes


class Heard(NamedTuple):
    """All RTP packets of one listener since `forget`."""

    sequences: npt.NDArray[np.uint16]
    stamps_ns: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.uint32]


class Lean(Softphone):
    """One peer over a socket of its own at `host`: as a softphone until it is up, then fetched by a `Fetching`."""

    def __init__(self, http: aiohttp.ClientSession, base_url: str, headers: dict[str, str] | None = None, host: str = "127.0.0.1") -> None:
        super().__init__(http, base_url, headers)
        self.way = StampedSocket(host)
        self.samples: list[Sample] = []
        self.told_loss = 0  # in 1/256, what it reports: who reports none for a minute is sent no RED any more
        self.unreadable = 0  # samples that would not decrypt
        self.link_out: Way | None = None  # what media has to pass on its way out, and in
        self.link_in: Way | None = None
        self._heard: list[tuple[npt.NDArray[np.uint16], npt.NDArray[np.int64], npt.NDArray[np.uint32]]] = []
        self._fetches = 0

    def _offer(self, certificate: RTCCertificate, direction: str, red: bool) -> str:
        """With its candidate: a full ICE agent wants to know."""
        candidate = f"a=candidate:1 1 udp 2130706431 {self.way.host} {self.way.port} typ host\r\na=end-of-candidates\r\n"
        return super()._offer(certificate, direction, red) + candidate

    async def _open(self, address: str, port: int) -> Outlet:
        self.way.connect(address, port)
        asyncio.get_running_loop().add_reader(self.way.fd, self._read)
        return self.way

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self.datagram_received(self.way.socket.recv(2048), ("", 0))

    def _out(self, datagram: bytes) -> None:
        if self.link_out is not None:
            self.link_out.carry(datagram, super()._out)
        else:
            super()._out(datagram)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data[:2] == b"\x00\x01":
            self._answer_check(data)
        elif self.link_in is not None and data:
            self.link_in.carry(data, lambda carried: super(Lean, self).datagram_received(carried, addr))
        else:
            super().datagram_received(data, addr)

    def _answer_check(self, data: bytes) -> None:
        """A full ICE agent asks us too."""
        with contextlib.suppress(ValueError):
            request = stun.parse_message(data)
            answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id)
            answer.attributes["XOR-MAPPED-ADDRESS"] = self.way.socket.getpeername()[:2]
            answer.add_message_integrity(self._password.encode())
            answer.add_fingerprint()
            self._out(bytes(answer))

    def doze(self) -> None:
        """It is up: nobody is woken by its packets any more."""
        asyncio.get_running_loop().remove_reader(self.way.fd)

    async def hang_up(self, *, say_so: bool = True) -> None:
        asyncio.get_running_loop().remove_reader(self.way.fd)
        await super().hang_up(say_so=say_so)
        self.way.close()

    # media

    def fetch(self, drain: Drain) -> None:
        """Take what has come, until there is no more."""
        self._fetches += 1
        while (found := drain.read(self.way.fd)) is not None:
            first, second = found.bytes[:, 0], found.bytes[:, 1]
            media = (first >> 6 == 2) & ((second < 192) | (second > 223))
            if media.all():
                self._keep(found)
                continue
            for index in np.flatnonzero(first < 64):
                self.datagram_received(found.at(int(index)), ("", 0))
            if media.any():
                self._keep(Datagrams(found.lengths[media], found.stamps_ns[media], found.bytes[media]))
        if self._fetches % REPORT_FETCHES == 0 and self._heard:
            self._report()

    def _keep(self, found: Datagrams) -> None:
        sequences = found.bytes[:, 2].astype(np.uint16) << 8 | found.bytes[:, 3]
        self._heard.append((sequences, found.stamps_ns.copy(), found.lengths.copy()))
        datagram = found.at(0)
        self._source = int.from_bytes(datagram[8:12], "big")
        try:
            packet = rtp.parse(self._dtls._rx_srtp.unprotect(datagram))
            self.samples.append(Sample(packet.sequence, packet.payload))
        except (SrtpError, ValueError):
            self.unreadable += 1

    def _report(self) -> None:
        highest = int(self._heard[-1][0][-1])
        self.send_rtcp(rtcp.build_receiver_report(self.ssrc, [rtcp.Report(self._source, self.told_loss, 0, highest, 0)]))

    def forget(self) -> None:
        self._heard, self.samples, self.unreadable = [], [], 0

    @property
    def taken(self) -> Heard:
        if not self._heard:
            return Heard(np.zeros(0, np.uint16), np.zeros(0, np.int64), np.zeros(0, np.uint32))
        return Heard(*(np.concatenate(column) for column in zip(*self._heard, strict=True)))  # type: ignore[arg-type]


class Fetching:
    """Fetches all members in turn, FETCH_S apart. `late_s`: the longest that the loop kept it waiting."""

    def __init__(self) -> None:
        self.late_s = 0.0
        self._drain = Drain()
        self._members: list[Lean] = []
        self._task = asyncio.create_task(self._go_on(), name="fetching")

    def add(self, member: Lean) -> None:
        member.doze()
        self._members.append(member)

    def fetch(self) -> None:
        for member in self._members:
            member.fetch(self._drain)

    async def _go_on(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += FETCH_S
            await asyncio.sleep(due - loop.time())
            self.late_s = max(self.late_s, loop.time() - due)
            due = max(due, loop.time() - FETCH_S)
            self.fetch()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for member in self._members:
            await member.hang_up()
