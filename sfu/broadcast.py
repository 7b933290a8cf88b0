"""One broadcaster on air: who speaks, who listens, what state it is in, and the end of it."""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from types import TracebackType

from sfu.audience import Audience
from sfu.brevity import Brevity
from sfu.errors import UnknownDenoiser
from sfu.fanout import Fanout
from sfu.foreseen import Foreseen
from sfu.ingest import Ingest
from sfu.kept import KeptWorker
from sfu.listener import Listener
from sfu.parts import Parts, Wish
from sfu.peer import Peer
from sfu.rtp import RtpPacket
from sfu.states import NEXT, DenoiseState, Event, State
from sfu.taping import Taping
from sfu.tasks import ended, lasting
from sfu.watch import Watch
from workers.ring import Packet

logger = logging.getLogger(__name__)

TICK_S = 0.1
SLOW_TICKS = 5  # between two looks at what changes slowly: what all listeners lost (they report about once a second), the room
UNHEARD_S = 6.0  # the broadcaster's last valid datagram is older: parked
NO_MEDIA_S = 10.0  # a reservation without media is freed
CANDIDATES = 4  # offers of one broadcaster that wait for their first packet; the oldest makes room
SUPERSEDED = 8  # of the peers that were taken over so many are remembered
STAYS_S = 1.0  # who still sends so long after it was parked has not left; what a leaving page had in flight does not bring it back
DRAIN_S = 0.15  # the worker's last 40 ms come within this


class Broadcast:
    """One broadcaster on air. Owns its peers, ingest, worker, fan-out and recorder; nobody else closes them.

    States: waiting → live ⇄ parked → ended (`states.NEXT`). `over` is set when it shall end; the switchboard, which
    holds it open, then leaves the context, and that closes everything from mic to ear.
    """

    def __init__(self, identity: str, username: str, ssrc: int, parts: Parts, forget: Callable[[str], None]) -> None:
        self.id = identity
        self.username = username
        self.title = ""
        self.state = State.WAITING
        self.since: datetime | None = None
        self.over = asyncio.Event()
        self.recording: int | None = None  # known for good after the end
        self.ssrc = ssrc
        self.ingest = Ingest(parts.config.ingest.reorder_ms, self._ordered)
        self.fanout = Fanout(ssrc)
        watch = Watch(parts.capacity, parts.config.worker.max_delay_ms)
        self.worker = KeptWorker(identity, parts.nurse, parts.catalogue, watch, self._denoised, self._worker_changed)
        self.taping = Taping(identity, parts.archive)
        places = parts.config.broadcast.places
        self._audience = Audience(identity, places, self.fanout, self.worker, forget, self._changed, self._later)
        self._parts = parts
        self._forget = forget  # called with the id of a peer that is gone for good
        self._source: Peer | None = None
        self._candidates: dict[str, tuple[Peer, Wish, float]] = {}
        self._superseded: deque[str] = deque()  # peers that were taken over, whose DELETE is still welcome
        self._record = True
        self._live_at = 0.0
        self._parked_at = 0.0
        self._ticks = 0
        self._waiting_since = time.monotonic()
        self._levels = (math.nan, math.nan)
        self._foreseen = Foreseen()
        self._brevity = Brevity(parts.capacity)
        self._closers: set[asyncio.Task[None]] = set()
        self._closing = AsyncExitStack()

    # life

    async def __aenter__(self) -> "Broadcast":
        async with AsyncExitStack() as opening:  # from ear to mic, so that closing runs mic to ear
            self._parts.ledger.open(self.ingest.losses)
            opening.callback(self._parts.ledger.settle, self.ingest.losses)
            opening.push_async_callback(self._close_rest)
            opening.push_async_callback(self._close_tape)
            opening.push_async_callback(self._audience.close)
            opening.callback(self.fanout.close)
            await opening.enter_async_context(self.worker)
            opening.push_async_callback(ended, lasting(self._tick_for_ever(), name=f"ticker of {self.id}"))
            opening.push_async_callback(self._drained)
            opening.push_async_callback(self._close_broadcasters)
            self._closing = opening.pop_all()
        self.fanout.heard = self.taping.heard
        self._lengthen_hold(self._parts.catalogue.delay_samples(self.worker.denoiser))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        was_on_air = self.on_air
        if self.state is not State.ENDED:
            self._move(Event.OVER)
        await self._closing.aclose()
        logger.info(
            "%s: ended after %.1f s, %s packets received, %s lost", self.id, self.duration_s, self.ingest.received, self.ingest.lost
        )
        if was_on_air:
            self._parts.news.on_ended(self.username, self.recording)

    async def _close_broadcasters(self) -> None:
        peers = [peer for peer, _, _ in self._candidates.values()]
        if self._source is not None:
            peers.append(self._source)
        self._candidates.clear()
        self._source = None
        self.ingest.close()
        await asyncio.gather(*(peer.close() for peer in peers))

    async def _drained(self) -> None:
        """Let the worker give back what it holds, so that the last word is denoised too; what is late goes out as it is."""
        if self.worker.active and self.state is not State.WAITING:
            await asyncio.sleep(DRAIN_S)
        self.fanout.flush()

    async def _close_tape(self) -> None:
        self.recording = await self.taping.close()

    async def _close_rest(self) -> None:
        await asyncio.gather(*self._closers, return_exceptions=True)

    def _later(self, closing: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(closing)
        self._closers.add(task)
        task.add_done_callback(self._closers.discard)

    # state

    @property
    def on_air(self) -> bool:
        """Friends see it as live: it has begun and is not over; parked counts, for it may come back any moment."""
        return self.state in (State.LIVE, State.PARKED)

    @property
    def duration_s(self) -> float:
        return time.monotonic() - self._live_at if self._live_at else 0.0

    def _move(self, event: Event) -> None:
        self.state = NEXT[self.state, event]
        self._changed()

    def _changed(self) -> None:
        self._parts.news.on_status(self.username)

    def _go_live(self) -> None:
        self.since = datetime.now(UTC)
        self._live_at = time.monotonic()
        if self._record and self._parts.config.recording.enabled:
            self.taping.start(self.username, self.title, self.since)
        self._parts.news.on_live(self.username, self.since)
        logger.info("%s: live", self.id)

    # the broadcaster

    def offer(self, peer: Peer, wish: Wish) -> None:
        """A peer that may become the source: it does with its first authenticated packet of Opus as agreed, and harms nobody before."""
        while len(self._candidates) >= CANDIDATES:
            oldest = next(iter(self._candidates))
            self._discard(oldest)
        self._candidates[peer.id] = (peer, wish, time.monotonic())
        peer.on_rtp = partial(self._first_packet, peer)
        peer.on_gone = lambda reason: self._source_gone(peer, reason)
        if self.state is State.WAITING:
            self._apply(wish, denoise=wish.denoise is not False)

    def _discard(self, peer_id: str) -> None:
        candidate = self._candidates.pop(peer_id, None)
        if candidate is not None:
            self._forget(peer_id)
            self._later(candidate[0].close())

    def _apply(self, wish: Wish, denoise: bool | None) -> None:
        self.title = wish.title or self.title
        self._record = wish.record
        self.worker.wish(denoise, wish.denoiser)
        self._lengthen_hold(self._parts.catalogue.delay_samples(self.worker.denoiser))

    def _lengthen_hold(self, samples: int) -> None:
        """The hold is fixed by the first packet; a heavier denoiser that takes over later can only make it longer."""
        self.fanout.hold(samples)
        self.worker.held_samples = self.fanout.held_samples

    def _first_packet(self, peer: Peer, packet: RtpPacket, arrival_ns: int) -> None:
        """Here a reservation becomes the broadcast: live, or taken over."""
        if self.over.is_set() or peer.id not in self._candidates:
            return  # it is being closed, with all others or to make room
        if not peer.audio.agreed(packet.payload_type):  # no voice: some send the video that we refused
            self.ingest.not_agreed += 1
            return
        _, wish, _ = self._candidates.pop(peer.id)
        old, self._source = self._source, peer
        self.ingest.attach(peer.audio, peer.send_rtcp)
        self._brevity.begin()
        peer.on_rtp = self._media
        peer.on_rtcp = self.ingest.rtcp
        if old is not None:
            logger.info("%s: taken over", self.id)
            self._later(old.close())
            self._superseded.append(old.id)
            if len(self._superseded) > SUPERSEDED:
                self._forget(self._superseded.popleft())
            self._apply(wish, wish.denoise)
        first = self.state is State.WAITING
        if self.state is not State.LIVE:
            self._move(Event.MEDIA)
        if first:
            self._go_live()
        self.ingest.receive(packet, arrival_ns)

    def _media(self, packet: RtpPacket, arrival_ns: int) -> None:
        """It is heard while parked too: another page of the broadcaster's may have left, not the one that speaks."""
        if self.state is State.PARKED and time.monotonic() - self._parked_at >= STAYS_S:
            self._move(Event.MEDIA)
        self.ingest.receive(packet, arrival_ns)

    def _source_gone(self, peer: Peer, reason: str) -> None:
        logger.info("%s: broadcaster's peer %s", self.id, reason)
        if peer is self._source:
            self.park()
            self._later(peer.close())
        self._discard(peer.id)
        if self.state is State.WAITING and not self._candidates:
            self.over.set()

    def park(self) -> None:
        """The broadcaster left, perhaps to come back: the grace time starts now. What it still sends is heard (see `_media`)."""
        if self.state is State.LIVE:
            self._parked_at = time.monotonic()
            self._move(Event.LEFT)

    def withdraw(self, peer_id: str) -> bool:
        """DELETE by the maker of a publishing peer. True: it was the source (or the only reservation), so this is Stop."""
        if self._source is not None and self._source.id == peer_id:
            return True
        self._discard(peer_id)
        return self.state is State.WAITING and not self._candidates

    def switch(self, enabled: bool | None, denoiser: str | None) -> None:
        """The broadcaster's switch and choice of denoiser. Raises UnknownDenoiser."""
        known = self._parts.catalogue.names()
        if denoiser is not None and denoiser not in known:
            raise UnknownDenoiser(f"no denoiser {denoiser!r}", known=known)
        self.worker.wish(enabled, denoiser)
        self._follow()
        self._changed()

    def strengthen(self, strength_db: float | None) -> None:
        """Limit the attenuation, 0 to 100 dB; None: no limit."""
        self.worker.tuning.strengthen(strength_db)
        self._changed()

    # the way of a packet

    def _ordered(self, packet: Packet) -> None:
        if not math.isnan(packet.original_dbfs):
            self._levels = (packet.original_dbfs, self._levels[1])
        self.worker.put(packet)
        self.taping.original(packet)
        self.fanout.original(packet)

    def _denoised(self, packet: Packet) -> None:
        self._levels = (packet.original_dbfs, packet.denoised_dbfs)
        self.fanout.denoised(packet)

    def _worker_changed(self) -> None:
        if self.worker.run is not None:
            self._lengthen_hold(self.worker.run.delay_samples)
        self._follow()
        self._changed()

    def _follow(self) -> None:
        """Tell the fan-out what `auto` points at, and from which number on a denoised packet is worth waiting for."""
        self.fanout.follow(self.worker.enabled and self.worker.state is not DenoiseState.BYPASSED, self.worker.active)

    # the listeners

    @property
    def listeners(self) -> dict[str, Listener]:
        """By the ids of their peers, those who still connect too."""
        return self._audience.listeners

    def join(self, listener: Listener, lasts_s: float | None = None) -> None:
        """Let a listener in, for so long at most; the first packet goes to it once its DTLS is done."""
        self._audience.join(listener, lasts_s)

    async def part(self, peer_id: str) -> None:
        """End one listening. Idempotent."""
        await self._audience.part(peer_id)

    def choose(self, peer_id: str, variant: str) -> None:
        """One listener's own variant, from its next packet on."""
        self._audience.choose(peer_id, variant)

    # time

    async def _tick_for_ever(self) -> None:
        try:
            while True:
                await asyncio.sleep(TICK_S)
                self._tick(time.monotonic_ns())
        finally:
            self.over.set()  # without it nothing would ever be over

    def _tick(self, now_ns: int) -> None:
        now = now_ns / 1e9
        self.worker.check(now_ns)
        if self._ticks % SLOW_TICKS == 0:
            self._look_at_losses(now_ns)
            self._look_at_room(now)
        self._ticks += 1
        if self.state is State.LIVE:
            if self._source is not None and (now_ns - self._source.last_heard_ns) / 1e9 > UNHEARD_S:
                self.park()
            self._parts.news.on_level(self.username, *self._heard_levels())
        elif self.state is State.PARKED and now - self._parked_at > self._parts.config.broadcast.grace_s:
            self.over.set()
        self._audience.look(now)
        for peer, _, since in list(self._candidates.values()):
            if now - since > NO_MEDIA_S:
                self._source_gone(peer, "without media")
        if self.state is State.WAITING and not self._candidates and now - self._waiting_since > NO_MEDIA_S:
            self.over.set()

    def _look_at_losses(self, now_ns: int) -> None:
        self.ingest.listener_loss = self.fanout.worst_loss(denoised=False)
        if self._foreseen.hear(self.fanout.worst_loss(denoised=True), now_ns):
            self.worker.tuning.foresee(self._foreseen.percent)

    def _look_at_room(self, now_s: float) -> None:
        packet_ms = self._brevity.look(now_s, self.ingest.samples) if self.state is State.LIVE else None
        if packet_ms is not None:
            logger.info("%s: to come in packets of %d ms", self.id, packet_ms)
            self._parts.news.on_brevity(self.username, packet_ms)

    def _heard_levels(self) -> tuple[float, float]:
        original, denoised = self._levels
        return original, denoised if self.worker.active else math.nan
