"""One plaintext packet to many ears: who is in which crew, and what was sent to each and dropped.

All of it happens on the loop, between two callbacks, so nobody joins or leaves in the middle. Nothing is allocated or counted
per listener and packet: a crew counts for all that are in it, a slot only what is its own.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sfu.fanout.send_buffers import SendBuffer, SendBuffers, TcpSender
from sfu.net.sendmmsg import HAVE_SENDMMSG, Address, sockaddr

RTP_HEADER = 12


class Tally(NamedTuple):
    """Packets sent; packets dropped (no room in the kernel, no way there, no encryption); octets of payload tried."""

    sent: int = 0
    dropped: int = 0
    octets: int = 0


class Recipient:
    """One listener's place: in at most one crew. After `give_back` it is inert, and its tally stays as it was.

    Its crew keeps the books: while the slot is in the crew's deck, what the crew counts for all comes on top of its own numbers.
    """

    __slots__ = ("_lent", "crew", "octets", "refused", "row", "tried")

    def __init__(self) -> None:
        self._lent = True
        self.crew: Recipients | None = None
        self.row: SendBuffer | None = None  # None: it is not known where to send to, or with which keys
        self.tried = self.refused = self.octets = 0

    @property
    def tally(self) -> Tally:
        tried, octets = self.tried, self.octets
        if self.crew is not None and self.crew.counts(self):
            tried, octets = tried + self.crew.packets, octets + self.crew.octets
        return Tally(tried - self.refused, self.refused, octets)

    def aim(self, fd: int, address: Address | None, tx: object, carrier: TcpSender | None = None) -> None:
        """Send over that socket to that address from now on. tx: a raw srtp_t; `give_back` has to come before it is freed.

        carrier: what takes the datagram instead, where a system call for many cannot (fd is -1 then).
        """
        if not self._lent:
            return
        reachable = tx is not None and (fd >= 0 or carrier is not None)
        self.row = SendBuffer(fd, address, sockaddr(address), tx, carrier) if address is not None and reachable else None
        if self.crew is not None:
            self.crew.settle()

    def give_back(self) -> None:
        """It is nobody's any more. Idempotent."""
        if self.crew is not None:
            self.crew.remove(self)
        self._lent, self.row = False, None


class Recipients:
    """Slots that get the same packet. Laid out in a deck, anew after a change only; an empty crew has none."""

    def __init__(self, batch: "AllRecipients") -> None:
        self.packets = self.octets = 0  # tried for everybody in the deck
        self._sendmmsg = batch.sendmmsg
        self._members: dict[Recipient, None] = {}  # in the order they came
        self._deck: SendBuffers | None = None
        self._laid: dict[Recipient, None] = {}  # those in the deck, by row
        self._changed = False

    def __len__(self) -> int:
        return len(self._members)

    def counts(self, slot: Recipient) -> bool:
        """Do `packets` and `octets` count for that slot too?"""
        return slot in self._laid

    def add(self, slot: Recipient) -> None:
        self._members[slot] = None
        slot.crew = self
        self._changed = True

    def remove(self, slot: Recipient) -> None:
        """Nothing here points at it or its keys any more. Idempotent."""
        if slot in self._members:
            self.settle()
            del self._members[slot]
            slot.crew = None
            if not self._members:
                self._deck = None

    def settle(self) -> None:
        """Somebody comes, goes or moves: everybody gets what was counted, and nobody is in the deck until the next packet."""
        self._changed = True
        for slot in self._laid:
            slot.tried += self.packets
            slot.octets += self.octets
        if self._laid and self._deck is not None:
            self._laid = {}
            self._deck.lay(())

    def send(self, plain: bytes) -> None:
        """Encrypt and send a packet of 12 to `deck.LARGEST_PLAIN` bytes to everybody who is ready."""
        self._lay()
        if not self._laid or self._deck is None:
            return
        self.packets += 1
        self.octets += len(plain) - RTP_HEADER
        unprotected = self._deck.fill(plain)
        unsent = self._deck.transmit(unprotected)
        if unprotected or unsent:
            slots = list(self._laid)
            for row in (*unprotected, *unsent):
                slots[row].refused += 1

    def _lay(self) -> None:
        if not self._changed:
            return
        self.settle()
        ready = [(slot, slot.row) for slot in self._members if slot.row is not None]
        ready.sort(key=lambda each: each[1].fd)
        if ready:
            self._deck = self._deck or SendBuffers(self._sendmmsg)
            self._deck.lay([row for _, row in ready])
        self._laid = {slot: None for slot, _ in ready}
        for slot in self._laid:  # what was counted before it came is not its own; less than nothing until it is settled
            slot.tried -= self.packets
            slot.octets -= self.octets
        self._changed = False


class AllRecipients:
    """All slots of one fan-out. `send` is the way of every packet to every listener."""

    def __init__(self, sendmmsg: bool = HAVE_SENDMMSG) -> None:
        self.sendmmsg = sendmmsg

    def take(self) -> Recipient:
        """A slot with its tally at zero; whoever takes it gives it back."""
        return Recipient()

    def send(self, loads: Sequence[tuple[Recipients, bytes]]) -> None:
        """Send each crew its packet. Never waits and never raises for one listener's sake: what cannot be encrypted or sent
        is counted on its slot."""
        for crew, plain in loads:
            crew.send(plain)
