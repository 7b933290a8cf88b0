"""Where one peer is reached: its ICE credentials, and the paths over which it has proved to be there."""

import enum
import secrets

from sfu import ice
from sfu.ice import Address
from sfu.paths import Path, Receiver, Way
from sfu.udp import MediaSockets

MOST_PATHS = 8  # addresses of one peer that we listen to; the oldest unused one goes


class Asked(enum.Enum):
    """What a Binding request was: FORGED, or of no generation of ours; REFUSED with an error; CONSENT; the FIRST at all;
    or genuine from elsewhere, so that the peer has MOVED."""

    FORGED = enum.auto()
    REFUSED = enum.auto()
    CONSENT = enum.auto()
    FIRST = enum.auto()
    MOVED = enum.auto()


class Reach:
    """Owned by the transport, which is registered for it with the sockets; `close` takes it out everywhere."""

    def __init__(self, sockets: MediaSockets, receiver: Receiver, remote_ufrag: str) -> None:
        self.path: Path | None = None  # sent to
        self.etag = ""  # of the newest credentials
        self._sockets, self._receiver = sockets, receiver
        self._ice = ice.IceLite(remote_ufrag)
        self._paths: dict[Path, None] = {}  # listened to, the one least recently confirmed first
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

    def repeated(self, datagram: bytes, way: Way, address: Address) -> bool:
        """A request on the path in use, like the last one there, is answered. False, and nothing has happened: read it."""
        path = self.path
        if path is None or path.port is not way or path.address != address:
            return False
        answer = self._ice.again(datagram, address)
        if answer is None:
            return False
        way.send(answer, address)
        return True

    def asked(self, request: ice.Request, path: Path) -> Asked:
        """A request that names us. Only a genuine one is answered, or changes anything."""
        reply = self._ice.answer(request, path.address)
        if reply is None:
            return Asked.FORGED
        path.port.send(reply.datagram, path.address)
        if not reply.accepted:
            return Asked.REFUSED
        for ufrag in reply.retired:
            self._sockets.unregister(ufrag)
        self._listen_to(path)
        before = self.path
        if before is not None and before.port.alive and (path == before or not reply.nominated):
            return Asked.CONSENT
        if before is not None and before in self._paths:  # requests like the last one there did not make it any newer
            self._paths[before] = self._paths.pop(before)
        self.path = path
        return Asked.FIRST if before is None else Asked.CONSENT if path == before else Asked.MOVED

    def _listen_to(self, path: Path) -> None:
        """That address is ours now; at most MOST_PATHS are kept."""
        self._paths.pop(path, None)
        self._paths[path] = None
        path.port.peers[path.address] = self._receiver
        if len(self._paths) > MOST_PATHS:
            self._unlisten(next(each for each in self._paths if each != self.path))

    def lose(self, way: Way) -> bool:
        """No path over that socket is ours any more; whether it is the one that is sent to, which stays in its place, dead."""
        for path in [each for each in self._paths if each.port is way]:
            self._unlisten(path)
        return self.path is not None and self.path.port is way

    def _unlisten(self, path: Path) -> None:
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
