"""A softphone that may call over TCP, change its address in the middle, and restart ICE."""

import asyncio
import os
import re

from tests.support.softphone import CONNECT_S, Softphone, Way

FRAGMENT = "application/trickle-ice-sdpfrag"


class Framed(asyncio.Protocol):
    """Datagrams over a TCP connection, each behind its length (RFC 4571)."""

    def __init__(self, phone: Softphone) -> None:
        self._phone = phone
        self._held = b""
        self.transport: asyncio.Transport | None = None
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        self._held += data
        while len(self._held) >= 2 and len(self._held) >= 2 + (length := int.from_bytes(self._held[:2], "big")):
            frame, self._held = self._held[2 : 2 + length], self._held[2 + length :]
            self._phone.datagram_received(frame, ("", 0))

    def sendto(self, data: bytes, /) -> None:
        assert self.transport is not None
        self.transport.write(len(data).to_bytes(2, "big") + data)

    def close(self) -> None:
        assert self.transport is not None
        self.transport.abort()


class Roamer(Softphone):
    """tcp: call over TCP; by_web: at the web server's port. Its address and ICE credentials may change while it talks or listens."""

    tcp = by_web = False

    async def _open(self, address: str, port: int) -> Way:
        self._there = (address, port)
        if self.tcp and self.by_web:
            port = self.web_ports[0]
        if not self.tcp:
            return await super()._open(address, port)
        _, framed = await asyncio.get_running_loop().create_connection(lambda: Framed(self), address, port)
        return framed

    @property
    def web_ports(self) -> list[int]:
        """Where the answer offers TCP besides the media port."""
        offered = re.findall(r"a=candidate:\S+ 1 (\S+) \d+ \S+ (\d+) typ host", self.answer)
        media = {port for protocol, port in offered if protocol == "udp"}
        return [int(port) for protocol, port in offered if protocol == "tcp" and port not in media]

    async def move(self, *, tcp: bool = False) -> None:
        """Go on from a new socket; the old one is closed once the server has answered over the new one."""
        self.tcp = tcp
        old, self._socket = self._socket, await self._open(*self._there)
        self._bound.clear()
        self._asked.clear()  # an answer to one of these comes over the old socket
        while not self._bound.is_set():
            self._ask()
            await asyncio.sleep(0.05)
        assert old is not None
        old.close()

    async def restart(self, *, tcp: bool = False, tag: str | None = None) -> int:
        """ICE restart by PATCH, and on with the new credentials from a new socket; the status."""
        self._ufrag, self._password = os.urandom(3).hex(), os.urandom(12).hex()
        headers = {"Content-Type": FRAGMENT, "If-Match": tag or self.etag, "Origin": self._base_url, **self._headers}
        body = f"a=ice-ufrag:{self._ufrag}\r\na=ice-pwd:{self._password}\r\n"
        async with self._http.patch(self.url, data=body, headers=headers) as response:
            if response.status == 200:
                fragment = await response.text()
                said = dict(re.findall(r"a=(ice-ufrag|ice-pwd):(\S+)", fragment))
                offered = [(host, int(port)) for host, port in re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", fragment)]
                if self._there not in offered:  # the server is elsewhere by now
                    self._there = offered[0]
                self._remote = (said["ice-ufrag"], said["ice-pwd"])
                self.etag = response.headers["ETag"]
        if response.status == 200:
            await asyncio.wait_for(self.move(tcp=tcp), CONNECT_S)
        return response.status
