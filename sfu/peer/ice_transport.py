"""The ICE end of one peer: answers its Binding requests, and selects the candidate pair that it is sent to."""

import enum
import secrets

from sfu.net.media_port import MediaSockets
from sfu.net.pairs import CandidatePair, LocalSocket, Receiver
from sfu.wire import ice
from sfu.wire.ice import Address

MAX_PAIRS = 8  # of one peer that are received from; the oldest that is not selected goes
# How long the selected pair has to be silent before another one is selected. A client that keeps two pairs alive is heard over each at
# least every 6 s (RFC 7675: 5 s, and up to a fifth more), and then nothing changes. A pair that was heard for the first time after the
# selected one had fallen silent succeeds it sooner: that is a NAT which has assigned another port.
SILENT_NS = 6_500_000_000
SUCCEEDED_NS = 3_000_000_000


class BindingOutcome(enum.Enum):
    """What a Binding request was: FORGED, of no valid generation, or a repetition over a new pair; REFUSED with an error, or repeated
    over another pair; CONSENT; the FIRST one; or one by which the peer has MOVED to another pair."""

    FORGED = enum.auto()
    REFUSED = enum.auto()
    CONSENT = enum.auto()
    FIRST = enum.auto()
    MOVED = enum.auto()


class IceTransport:
    """Owned by the transport, which the sockets know as receiver of its ufrags and addresses; `close` unregisters it everywhere.

    The first pair is selected, then each one that the peer nominates. Where nothing comes over the selected pair any more, another one
    that is heard is selected. Recorded requests that somebody sends again never change the selection.
    """

    def __init__(self, sockets: MediaSockets, receiver: Receiver, remote_ufrag: str) -> None:
        self.selected: CandidatePair | None = None  # that the peer is sent to; None before its first genuine request
        self.heard_ns = 0  # when the last genuine datagram came over `selected`
        self.other: tuple[CandidatePair, int] | None = None  # another pair that was heard since it was selected, and when last
        self.etag = ""  # of the newest credentials
        self._sockets, self._receiver = sockets, receiver
        self._ice = ice.IceLite(remote_ufrag)
        self._pairs: dict[CandidatePair, int] = {}  # those received from, the least recently confirmed first; since when
        self._renew()

    @property
    def credentials(self) -> ice.Credentials:
        """Ours, of the newest generation."""
        return self._ice.credentials

    def is_current(self, remote_ufrag: str) -> bool:
        """Whether that ufrag is of the other end's newest generation."""
        return self._ice.is_current(remote_ufrag)

    def restart(self, remote_ufrag: str) -> None:
        """Make new credentials; those in use stay valid until the first request with the new ones."""
        for ufrag in self._ice.restart(remote_ufrag):
            self._sockets.unregister_ufrag(ufrag)
        self._renew()

    def _renew(self) -> None:
        self.etag = secrets.token_hex(8)
        self._sockets.register_ufrag(self._ice.credentials.ufrag, self._receiver)

    # in

    def answer_repeated(self, datagram: bytes, local: LocalSocket, address: Address) -> bool:
        """Answer a request over the selected pair that is like the last one. False, and nothing is done: it has to be parsed."""
        pair = self.selected
        if pair is None or pair.local is not local or pair.address != address:
            return False
        answer = self._ice.answer_repeated(datagram, address)
        if answer is None:
            return False
        local.send(answer, address)
        return True

    def answer(self, request: ice.Request, pair: CandidatePair, now_ns: int) -> BindingOutcome:
        """Answer a request with one of our ufrags, if it is genuine; any other has no effect."""
        reply = self._ice.answer(request, pair.address)
        if reply is None or (reply.repeated and pair not in self._pairs):
            return BindingOutcome.FORGED
        pair.local.send(reply.datagram, pair.address)
        if not reply.accepted:
            return BindingOutcome.REFUSED
        for ufrag in reply.retired:
            self._sockets.unregister_ufrag(ufrag)
        before = self.selected
        if reply.repeated and pair != before:  # anybody may have sent it again
            return BindingOutcome.REFUSED
        moved = self.heard(pair, now_ns, at_once=reply.nominated)
        return BindingOutcome.FIRST if before is None else BindingOutcome.MOVED if moved else BindingOutcome.CONSENT

    def heard(self, pair: CandidatePair, now_ns: int, at_once: bool) -> bool:
        """A genuine datagram came over that pair. at_once: select it. Returns whether `selected` has changed."""
        self._receive_from(pair, now_ns)
        if pair == self.selected:
            self.heard_ns = now_ns
            return False
        if self.selected is None or at_once:
            self._select(pair, now_ns)
            return True
        self.other = pair, now_ns
        return self.reselect(now_ns)

    def reselect(self, now_ns: int) -> bool:
        """Replace a selected pair that is silent by the other one that is not. Returns whether `selected` has changed.

        To be called now and then. After a standstill the silence is counted from its end: what came meanwhile has not been read.
        """
        if self.other is None or self.selected is None:
            return False
        pair, heard_ns = self.other
        if heard_ns <= self.heard_ns or pair not in self._pairs or not pair.local.alive:
            return False
        limit_ns = SUCCEEDED_NS if self._pairs[pair] > self.heard_ns else SILENT_NS
        if self.selected.local.alive and now_ns - max(self.heard_ns, self._sockets.standstill.check()) < limit_ns:
            return False
        self._select(pair, heard_ns)
        return True

    def _select(self, pair: CandidatePair, heard_ns: int) -> None:
        if self.selected in self._pairs:  # `answer_repeated` has not moved it to the end
            self._pairs[self.selected] = self._pairs.pop(self.selected)
        self.selected, self.heard_ns, self.other = pair, heard_ns, None

    def _receive_from(self, pair: CandidatePair, now_ns: int) -> None:
        """Have the sockets pass on datagrams of this pair; of more than MAX_PAIRS the oldest is given up."""
        self._pairs[pair] = self._pairs.pop(pair, now_ns)
        pair.local.peers[pair.address] = self._receiver
        if len(self._pairs) > MAX_PAIRS:
            self._release(next(each for each in self._pairs if each != self.selected))

    def lose_socket(self, local: LocalSocket) -> bool:
        """Give up all pairs of that local socket. Returns whether the selected one is among them; it stays selected, and not alive."""
        for pair in [each for each in self._pairs if each.local is local]:
            self._release(pair)
        return self.selected is not None and self.selected.local is local

    def _release(self, pair: CandidatePair) -> None:
        del self._pairs[pair]
        pair.local.release(pair.address, self._receiver)

    # out

    def send(self, datagram: bytes) -> bool:
        """Send over the selected pair; False where there is none, or the datagram was dropped."""
        return self.selected is not None and self.selected.local.send(datagram, self.selected.address)

    def stop_answering(self) -> None:
        """Answer no Binding requests any more; the pairs stay, for sending and receiving."""
        for ufrag in self._ice.ufrags():
            self._sockets.unregister_ufrag(ufrag)

    def close(self) -> None:
        """Receive nothing any more. Idempotent."""
        self.stop_answering()
        for pair in tuple(self._pairs):
            self._release(pair)
