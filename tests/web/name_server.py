"""A name server for a test in a network of its own: it answers what it is told to, and keeps what it was asked."""

import asyncio
from types import TracebackType
from typing import Any, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class NameServer(asyncio.DatagramProtocol):
    """UDP, 127.0.0.1, port 53. `records`: name without the dot at its end -> IPv4 address; all else does not exist."""

    def __init__(self) -> None:
        self.records: dict[str, str] = {}
        self.asked: set[str] = set()
        self._transport: Any = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 53))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        [asked] = question.question
        name = asked.name.to_text(omit_final_dot=True).lower()
        self.asked.add(name)
        answer = dns.message.make_response(question, recursion_available=True)
        if name not in self.records:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif asked.rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(asked.name, 1, "IN", "A", self.records[name]))
        self._transport.sendto(answer.to_wire(), addr)
