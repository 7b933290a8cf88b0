"""A WHIP or WHEP resource: what its maker may do with it, but for its end."""

from collections.abc import Collection
from dataclasses import dataclass

from sfu.broadcast.broadcast import Broadcast
from sfu.broadcast.grants import Grant
from sfu.errors import NotFound, PreconditionFailed
from sfu.peer.peer import Peer
from sfu.wire.sdp import Kind


@dataclass(frozen=True)
class Departed:
    """What is left of a broadcaster's peer that the last run of the server had: it can be nothing but deleted."""

    id: str
    kind: Kind = "publish"
    closed: bool = True


@dataclass
class MediaSession:
    """Whose it is, by what grant, and the peer behind it, which is the broadcast's."""

    peer: Peer | Departed
    broadcast: Broadcast
    owner: str
    grant: Grant

    def is_restart(self, fragment: str) -> bool:
        """Does the fragment bring new ICE credentials? Raises NotFound, BadOffer."""
        return self._living().is_restart(fragment)

    def restart(self, tags: Collection[str], fragment: str) -> tuple[str, str]:
        """ICE restart: the answer's fragment and the new tag. Raises PreconditionFailed where `tags` has neither the tag nor `*`."""
        peer = self._living()
        _match(peer, tags)
        return peer.restart(fragment), peer.etag

    def trickle(self, tags: Collection[str] | None, fragment: str) -> None:
        """Take a trickled fragment: nothing to do at an ICE-lite end but to check it. tags: as for `restart`, None asks for none."""
        peer = self._living()
        if tags is not None:
            _match(peer, tags)
        peer.trickle(fragment)

    def choose(self, variant: str) -> None:
        """A listener's own variant. Raises NotFound."""
        if self.peer.id not in self.broadcast.audience.listeners:
            raise NotFound("no such listener")
        self.broadcast.audience.choose(self.peer.id, variant)

    def _living(self) -> Peer:
        """One that was taken over is gone for everything but DELETE. Raises NotFound."""
        if isinstance(self.peer, Departed) or self.peer.closed:
            raise NotFound("another has taken over")
        return self.peer


def _match(peer: Peer, tags: Collection[str]) -> None:
    if "*" not in tags and peer.etag not in tags:
        raise PreconditionFailed(f"the tag is {peer.etag}")
