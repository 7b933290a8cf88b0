"""The listeners of one broadcast, from the answer to their end: places, time limits, variants."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import NamedTuple

from sfu.denoise.supervisor import WorkerSupervisor
from sfu.fanout.fanout import Fanout
from sfu.fanout.listener import Listener

logger = logging.getLogger(__name__)


class AudienceCalls(NamedTuple):
    """What an audience calls."""

    forget: Callable[[str], None]  # with the id of a peer that is gone for good
    changed: Callable[[], None]  # the listeners have changed
    later: Callable[[Coroutine[None, None, None]], None]  # to run what takes time


class Audience:
    """Owns the listeners' peers from `join` to `part`. The fan-out gets those that are up; the worker runs if one of them needs it."""

    def __init__(
        self,
        label: str,
        places: int,
        fanout: Fanout,
        worker: WorkerSupervisor,
        calls: AudienceCalls,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """places: the most listeners of one person."""
        self.listeners: dict[str, Listener] = {}
        self._until: dict[str, float] = {}  # monotonic seconds at which a listener has to leave, where limited
        self._label = label
        self._places = places
        self._fanout = fanout
        self._worker = worker
        self._calls = calls
        self._clock_ns = clock_ns

    @property
    def people(self) -> set[str]:
        """The users who listen, without users of listen links."""
        return {listener.name for listener in self.listeners.values() if listener.person}

    async def close(self) -> None:
        """Close all peers."""
        listeners = list(self.listeners.values())
        self.listeners.clear()
        await asyncio.gather(*(listener.peer.close() for listener in listeners))

    def join(self, listener: Listener, lasts_s: float | None = None) -> None:
        """Add a listener, for `lasts_s` at most; it gets packets once its DTLS handshake is done."""
        peer = listener.peer
        if listener.person:
            self._make_room_for(listener.name)
        self.listeners[peer.id] = listener
        if lasts_s is not None:
            self._until[peer.id] = self._clock_ns() / 1e9 + lasts_s
        peer.on_gone = lambda reason: self._gone(peer.id, reason)
        peer.on_up = lambda: self._up(listener)
        peer.on_moved = lambda: self._fanout.moved(listener)
        peer.on_rtcp = partial(self._fanout.rtcp, listener)
        self._update_worker()

    def _make_room_for(self, name: str) -> None:
        """Remove this person's oldest listeners, those that are not up yet first."""
        own = sorted((each.peer for each in self.listeners.values() if each.name == name), key=lambda peer: peer.up)
        for peer in own[: max(len(own) + 1 - self._places, 0)]:
            self._gone(peer.id, "replaced")

    def _up(self, listener: Listener) -> None:
        if listener.peer.id in self.listeners:
            self._fanout.join(listener)
            self._calls.changed()

    def _gone(self, peer_id: str, reason: str) -> None:
        if peer_id in self.listeners:
            logger.info("%s: a listener is %s", self._label, reason)
            self._calls.later(self.part(peer_id))

    async def part(self, peer_id: str) -> None:
        """Remove and close one listener. Idempotent. It leaves the fan-out before its SRTP session is freed."""
        listener = self.listeners.pop(peer_id, None)
        if listener is None:
            return
        self._until.pop(peer_id, None)
        self._calls.forget(peer_id)
        self._fanout.leave(listener)
        self._update_worker()
        self._calls.changed()
        await listener.peer.close()

    async def drop(self, name: str) -> None:
        """Remove and close every listener of this name."""
        await asyncio.gather(*(self.part(identity) for identity in [key for key, each in self.listeners.items() if each.name == name]))

    def choose(self, peer_id: str, variant: str) -> None:
        """Set one listener's variant, from its next packet on."""
        self._fanout.choose(self.listeners[peer_id], variant)
        self._update_worker()

    def look(self, now_s: float) -> None:
        """Remove the listeners whose time is over."""
        for peer_id in [peer_id for peer_id, until in self._until.items() if now_s > until]:
            self._gone(peer_id, "allowed no longer")

    def _update_worker(self) -> None:
        wanted = any(listener.variant == "denoised" for listener in self.listeners.values())
        if wanted is not self._worker.listened:
            self._worker.listened = wanted
            self._worker.reconsider()
