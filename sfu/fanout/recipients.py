"""The members of one group: each gets its own encrypted copy of the group's packets, and what was sent and dropped is counted.

Everything runs on the event loop between two callbacks, so nobody joins or leaves while a packet is sent. A packet allocates
nothing per listener and updates no counter per listener: `Recipients` counts what was sent to all its members, and a
`Recipient` only what it alone missed.
"""

from typing import NamedTuple

from sfu.fanout.send_buffers import Destination, SendBuffers, TcpSender
from sfu.net.sendmmsg import HAVE_SENDMMSG, sockaddr
from sfu.wire.ice import Address

RTP_HEADER_BYTES = 12


class SendCounters(NamedTuple):
    """Packets sent; packets dropped (not encrypted, or not taken by the kernel or the TCP connection); octets of payload tried."""

    sent: int = 0
    dropped: int = 0
    octets: int = 0


class Recipient:
    """One listener's place in at most one `Recipients`. After `close` nothing is sent to it, and its counters stay as they were.

    While it has a send buffer, the shared counters of its `Recipients` are added to its own.
    """

    __slots__ = ("_open", "attempted", "destination", "dropped", "member_of", "octets")

    def __init__(self) -> None:
        self._open = True
        self.member_of: Recipients | None = None
        self.destination: Destination | None = None  # None: address or keys are not known
        self.attempted = self.dropped = self.octets = 0

    @property
    def counters(self) -> SendCounters:
        attempted, octets = self.attempted, self.octets
        if self.member_of is not None and self.member_of.has_buffer_of(self):
            attempted, octets = attempted + self.member_of.packets, octets + self.member_of.octets
        return SendCounters(attempted - self.dropped, self.dropped, octets)

    def set_destination(self, fd: int, address: Address | None, tx: object, send_tcp: TcpSender | None = None) -> None:
        """Send to that address through that socket from now on. tx: a raw srtp_t; call `close` before it is freed.

        send_tcp: takes the datagrams of a peer that is reached over TCP; fd is -1 then.
        """
        if not self._open:
            return
        reachable = tx is not None and (fd >= 0 or send_tcp is not None)
        self.destination = Destination(fd, address, sockaddr(address), tx, send_tcp) if address is not None and reachable else None
        if self.member_of is not None:
            self.member_of.invalidate()

    def close(self) -> None:
        """Leave the group. Nothing refers to its keys any more. Idempotent."""
        if self.member_of is not None:
            self.member_of.remove(self)
        self._open, self.destination = False, None


class Recipients:
    """Listeners that get the same plaintext. Their send buffers are assigned anew only after a change; without members there are none."""

    def __init__(self, sendmmsg: bool = HAVE_SENDMMSG) -> None:
        self.packets = self.octets = 0  # attempted for everybody with a send buffer
        self._sendmmsg = sendmmsg
        self._members: dict[Recipient, None] = {}  # in the order they joined
        self._buffers: SendBuffers | None = None
        self._buffered: dict[Recipient, None] = {}  # those with a send buffer, in the order of the buffers
        self._changed = False

    def __len__(self) -> int:
        return len(self._members)

    def has_buffer_of(self, recipient: Recipient) -> bool:
        """Whether `packets` and `octets` count for that recipient too."""
        return recipient in self._buffered

    def add(self, recipient: Recipient) -> None:
        self._members[recipient] = None
        recipient.member_of = self
        self._changed = True

    def remove(self, recipient: Recipient) -> None:
        """Nothing here refers to it or its keys any more. Idempotent."""
        if recipient in self._members:
            self.invalidate()
            del self._members[recipient]
            recipient.member_of = None
            if not self._members:
                self._buffers = None

    def invalidate(self) -> None:
        """A member leaves or has another destination: add the shared counters to each member's own, and assign the buffers
        anew with the next packet."""
        self._changed = True
        for recipient in self._buffered:
            recipient.attempted += self.packets
            recipient.octets += self.octets
        if self._buffered and self._buffers is not None:
            self._buffered = {}
            self._buffers.assign(())

    def send(self, plain: bytes) -> None:
        """Encrypt and send a packet of 12 to `LARGE_BUFFER_BYTES - TRAILER` bytes to every member with a destination.

        Never waits, and never raises because of one listener: a copy that cannot be encrypted or sent is counted as dropped.
        """
        if self._changed:
            self._assign_buffers()
        if not self._buffered or self._buffers is None:
            return
        self.packets += 1
        self.octets += len(plain) - RTP_HEADER_BYTES
        not_encrypted = self._buffers.encrypt(plain)
        not_sent = self._buffers.transmit(not_encrypted)
        if not_encrypted or not_sent:
            recipients = list(self._buffered)
            for index in (*not_encrypted, *not_sent):
                recipients[index].dropped += 1

    def _assign_buffers(self) -> None:
        self.invalidate()
        ready = [(recipient, recipient.destination) for recipient in self._members if recipient.destination is not None]
        ready.sort(key=lambda each: each[1].fd)
        if ready:
            self._buffers = self._buffers or SendBuffers(self._sendmmsg)
            self._buffers.assign([destination for _, destination in ready])
        self._buffered = {recipient: None for recipient, _ in ready}
        for recipient in self._buffered:  # the shared counters count for it from here on: take off what they have
            recipient.attempted -= self.packets
            recipient.octets -= self.octets
        self._changed = False
