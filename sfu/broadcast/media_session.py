"""A WHIP or WHEP session (RFC 9725): what its owner may do with it, except end it."""

from collections.abc import Collection
from dataclasses import dataclass

from sfu.broadcast.broadcast import Broadcast
from sfu.broadcast.grants import Grant
from sfu.errors import NotFound, PreconditionFailed
from sfu.peer.peer import Peer
from sfu.wire.sdp import Kind


@dataclass(frozen=True)
class Departed:
    """Stands for a broadcaster's peer of the last run of the server; it can only be deleted."""

    id: str
    kind: Kind = "publish"
    closed: bool = True


@dataclass
class MediaSession:
    """One peer of a broadcast, with its owner and its grant. The broadcast owns the peer."""

    peer: Peer | Departed
    broadcast: Broadcast
    owner: str
    grant: Grant

    def is_restart(self, fragment: str) -> bool:
        """Whether the fragment has new ICE credentials. Raises NotFound, BadOffer."""
        return self._living().is_restart(fragment)

    def restart(self, tags: Collection[str], fragment: str) -> tuple[str, str]:
        """Restart ICE. Returns the answer's fragment and the new ETag. Raises PreconditionFailed if `tags` has neither the ETag nor `*`."""
        peer = self._living()
        _match(peer, tags)
        return peer.restart(fragment), peer.etag

    def trickle(self, tags: Collection[str] | None, fragment: str) -> None:
        """Check a trickled fragment; ICE-lite needs nothing from it. tags: as for `restart`; None: not checked."""
        peer = self._living()
        if tags is not None:
            _match(peer, tags)
        peer.trickle(fragment)

    def choose(self, variant: str) -> None:
        """Set a listener's variant. Raises NotFound."""
        if self.peer.id not in self.broadcast.audience.listeners:
            raise NotFound("no such listener")
        self.broadcast.audience.choose(self.peer.id, variant)

    def _living(self) -> Peer:
        """Return the peer. Raises NotFound if it was taken over: then only DELETE is left."""
        if isinstance(self.peer, Departed) or self.peer.closed:
            raise NotFound("another has taken over")
        return self.peer


def _match(peer: Peer, tags: Collection[str]) -> None:
    if "*" not in tags and peer.etag not in tags:
        raise PreconditionFailed(f"the tag is {peer.etag}")
