"""Who hears one broadcast, from the answer to their end: places, time limits, variants."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from functools import partial

from sfu.denoise.supervisor import WorkerSupervisor
from sfu.fanout.fanout import Fanout
from sfu.fanout.listener import Listener

logger = logging.getLogger(__name__)


class Audience:
    """Owns the listeners' peers from `join` to `part`. The fan-out has those of them that are up; the worker hears what they want."""

    def __init__(
        self,
        label: str,
        places: int,
        fanout: Fanout,
        worker: WorkerSupervisor,
        forget: Callable[[str], None],
        changed: Callable[[], None],
        later: Callable[[Coroutine[None, None, None]], None],
    ) -> None:
        """places: of one person; forget: called with the id of a peer that is gone for good; changed: who hears is another now;
        later: has something done that takes time."""
        self.listeners: dict[str, Listener] = {}
        self._until: dict[str, float] = {}  # monotonic seconds at which a listener has to leave, of those who may not stay
        self._label = label
        self._places = places
        self._fanout = fanout
        self._worker = worker
        self._forget = forget
        self._changed = changed
        self._later = later

    async def close(self) -> None:
        """All at once."""
        listeners = list(self.listeners.values())
        self.listeners.clear()
        await asyncio.gather(*(listener.peer.close() for listener in listeners))

    def join(self, listener: Listener, lasts_s: float | None = None) -> None:
        """Let a listener in, for so long at most; the first packet goes to it once its DTLS is done."""
        peer = listener.peer
        if listener.person:
            self._make_room_for(listener.name)
        self.listeners[peer.id] = listener
        if lasts_s is not None:
            self._until[peer.id] = time.monotonic() + lasts_s
        peer.on_gone = lambda reason: self._gone(peer.id, reason)
        peer.on_up = lambda: self._up(listener)
        peer.on_moved = lambda: self._fanout.moved(listener)
        peer.on_rtcp = partial(self._fanout.rtcp, listener)
        self._listened()

    def _make_room_for(self, name: str) -> None:
        """The oldest goes, of those that do not hear yet if there are any."""
        own = sorted((each.peer for each in self.listeners.values() if each.name == name), key=lambda peer: peer.up)
        for peer in own[: max(len(own) + 1 - self._places, 0)]:
            self._gone(peer.id, "replaced")

    def _up(self, listener: Listener) -> None:
        if listener.peer.id in self.listeners:
            self._fanout.join(listener)
            self._changed()

    def _gone(self, peer_id: str, reason: str) -> None:
        if peer_id in self.listeners:
            logger.info("%s: a listener is %s", self._label, reason)
            self._later(self.part(peer_id))

    async def part(self, peer_id: str) -> None:
        """End one listening. Idempotent; its slot is out before its SRTP session is freed."""
        listener = self.listeners.pop(peer_id, None)
        if listener is None:
            return
        self._until.pop(peer_id, None)
        self._forget(peer_id)
        self._fanout.leave(listener)
        self._listened()
        self._changed()
        await listener.peer.close()

    def choose(self, peer_id: str, variant: str) -> None:
        """One listener's own variant, from its next packet on."""
        self._fanout.choose(self.listeners[peer_id], variant)
        self._listened()

    def look(self, now_s: float) -> None:
        """Let those go whose time is over."""
        for peer_id in [peer_id for peer_id, until in self._until.items() if now_s > until]:
            self._gone(peer_id, "allowed no longer")

    def _listened(self) -> None:
        wanted = any(listener.variant == "denoised" for listener in self.listeners.values())
        if wanted is not self._worker.listened:
            self._worker.listened = wanted
            self._worker.reconsider()
