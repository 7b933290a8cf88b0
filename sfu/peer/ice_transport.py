"""Where one peer is reached: its ICE credentials, and the paths over which it has proved to be there."""

import enum
import secrets

from sfu.net.media_port import MediaSockets
from sfu.net.paths import CandidatePair, LocalSocket, Receiver
from sfu.wire import ice
from sfu.wire.ice import Address

MOST_PATHS = 8  # addresses of one peer that we listen to; the oldest unused one goes
# After so long without anything genuine the path in use is left for another one. Two that live at the same time are each heard at
# least every 6 s (RFC 7675: 5 s, and up to a fifth more): the peer keeps both, and there is no reason to change. One that was
# heard for the first time only after the path in use had fallen silent is what a NAT makes that gives out another port.
SILENT_NS = 6_500_000_000
SUCCEEDED_NS = 3_000_000_000


class Asked(enum.Enum):
    """What a Binding request was: FORGED, of no generation of ours, or sent again from elsewhere; REFUSED with an error; CONSENT;
    the FIRST at all; or genuine from elsewhere, so that the peer has MOVED."""

    FORGED = enum.auto()
    REFUSED = enum.auto()
    CONSENT = enum.auto()
    FIRST = enum.auto()
    MOVED = enum.auto()


class IceTransport:
    """Owned by the transport, which is registered for it with the sockets; `close` takes it out everywhere.

    A peer is sent to over one path: the first, or the one that it has nominated since; and, when nothing comes from there any
    more, the one that it is heard from. What was recorded elsewhere and is sent again moves nothing.
    """

    def __init__(self, sockets: MediaSockets, receiver: Receiver, remote_ufrag: str) -> None:
        self.path: CandidatePair | None = None  # sent to
        self.heard_ns = 0  # when the last genuine datagram came over `path`
        self.etag = ""  # of the newest credentials
        self._sockets, self._receiver = sockets, receiver
        self._ice = ice.IceLite(remote_ufrag)
        self._paths: dict[CandidatePair, int] = {}  # listened to, the one least recently confirmed first; since when
        self.elsewhere: tuple[CandidatePair, int] | None = None  # over which other path the last genuine datagram came, and when
        self._renew()

    @property
    def credentials(self) -> ice.Credentials:
        """Of the newest generation."""
        return self._ice.credentials

    def is_current(self, remote_ufrag: str) -> bool:
        """Is that the newest generation of the other end?"""
        return self._ice.is_current(remote_ufrag)

    def restart(self, remote_ufrag: str) -> None:
        """New credentials; those in use serve until the first request by the new ones."""
        for ufrag in self._ice.restart(remote_ufrag):
            self._sockets.unregister(ufrag)
        self._renew()

    def _renew(self) -> None:
        self.etag = secrets.token_hex(8)
        self._sockets.register(self._ice.credentials.ufrag, self._receiver)

    # what comes in

    def repeated(self, datagram: bytes, way: LocalSocket, address: Address) -> bool:
        """A request on the path in use, like the last one there, is answered. False, and nothing has happened: read it."""
        path = self.path
        if path is None or path.port is not way or path.address != address:
            return False
        answer = self._ice.again(datagram, address)
        if answer is None:
            return False
        way.send(answer, address)
        return True

    def asked(self, request: ice.Request, path: CandidatePair, now_ns: int) -> Asked:
        """A request that names us. Only a genuine one is answered, or changes anything."""
        reply = self._ice.answer(request, path.address)
        if reply is None or (reply.repeated and path not in self._paths):
            return Asked.FORGED
        path.port.send(reply.datagram, path.address)
        if not reply.accepted:
            return Asked.REFUSED
        for ufrag in reply.retired:
            self._sockets.unregister(ufrag)
        before = self.path
        if reply.repeated and path != before:  # it may have been sent again by anybody
            return Asked.REFUSED
        moved = self.heard(path, now_ns, at_once=reply.nominated)
        return Asked.FIRST if before is None else Asked.MOVED if moved else Asked.CONSENT

    def heard(self, path: CandidatePair, now_ns: int, at_once: bool) -> bool:
        """Something genuine came over that path. at_once: it says that the peer is to be sent to there. True: `path` is another."""
        self._listen_to(path, now_ns)
        if path == self.path:
            self.heard_ns = now_ns
            return False
        if self.path is None or at_once:
            self._go(path, now_ns)
            return True
        self.elsewhere = path, now_ns
        return self.look(now_ns)

    def look(self, now_ns: int) -> bool:
        """Leave a path that has fallen silent for one that has not. True: `path` is another. To be called now and then.

        After a standstill both are read anew: which one was silent meanwhile does not tell.
        """
        if self.elsewhere is None or self.path is None:
            return False
        path, heard_ns = self.elsewhere
        if heard_ns <= self.heard_ns or path not in self._paths or not path.port.alive:
            return False
        patience_ns = SUCCEEDED_NS if self._paths[path] > self.heard_ns else SILENT_NS
        if self.path.port.alive and now_ns - max(self.heard_ns, self._sockets.awake.look()) < patience_ns:
            return False
        self._go(path, heard_ns)
        return True

    def _go(self, path: CandidatePair, heard_ns: int) -> None:
        if self.path in self._paths:  # requests like the last one there did not make it any newer
            self._paths[self.path] = self._paths.pop(self.path)
        self.path, self.heard_ns, self.elsewhere = path, heard_ns, None

    def _listen_to(self, path: CandidatePair, now_ns: int) -> None:
        """That address is ours now; at most MOST_PATHS are kept."""
        self._paths[path] = self._paths.pop(path, now_ns)
        path.port.peers[path.address] = self._receiver
        if len(self._paths) > MOST_PATHS:
            self._unlisten(next(each for each in self._paths if each != self.path))

    def lose(self, way: LocalSocket) -> bool:
        """No path over that socket is ours any more; whether it is the one that is sent to, which stays in its place, dead."""
        for path in [each for each in self._paths if each.port is way]:
            self._unlisten(path)
        return self.path is not None and self.path.port is way

    def _unlisten(self, path: CandidatePair) -> None:
        del self._paths[path]
        path.port.release(path.address, self._receiver)

    # what goes out

    def send(self, datagram: bytes) -> bool:
        """False where nobody is known to be reached, or it is not taken."""
        return self.path is not None and self.path.port.send(datagram, self.path.address)

    def stop_answering(self) -> None:
        """No Binding request is for this peer any more; it is still sent to, and heard from where it has been."""
        for ufrag in self._ice.ufrags():
            self._sockets.unregister(ufrag)

    def close(self) -> None:
        """No datagram finds its way here any more. Idempotent."""
        self.stop_answering()
        for path in tuple(self._paths):
            self._unlisten(path)
