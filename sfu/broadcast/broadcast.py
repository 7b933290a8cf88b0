"""One broadcaster on air: what it consists of, what state it is in, and the end of it."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType

from sfu.broadcast.adaptation import Adaptation
from sfu.broadcast.audience import Audience
from sfu.broadcast.heard import Heard
from sfu.broadcast.life import Life
from sfu.broadcast.loudness import Loudness
from sfu.broadcast.services import PublishOptions, Services
from sfu.broadcast.source import Source
from sfu.broadcast.states import NEXT, BroadcastEvent, BroadcastState
from sfu.broadcast.survival import Left, Survival, Survivor
from sfu.denoise.catalogue import check_known
from sfu.denoise.load_monitor import LoadMonitor
from sfu.denoise.states import DenoiseState
from sfu.denoise.supervisor import WorkerSupervisor
from sfu.fanout.fanout import Fanout
from sfu.ingest.ingest import Ingest
from sfu.peer.peer import Peer
from sfu.recording.broadcast_recording import BroadcastRecording
from sfu.tasks import Background, ended, lasting, ticking
from sfu.wire.rtp import RtpPacket
from workers.disk_room import MB, DiskRoom
from workers.link.ring import Packet

logger = logging.getLogger(__name__)

TICK_S = 0.1
SLOW_TICKS = 5  # between two looks at what changes slowly
STAYS_S = 1.0  # who still sends so long after it was parked has not left; what a leaving page had in flight does not bring it back
DRAIN_S = 0.15  # the worker's last 40 ms come within this

Forget = Callable[[str], None]
GrantOf = Callable[[str], str]


class Broadcast:
    """One broadcaster on air. Owns its source, ingest, worker, fan-out, audience and recorder; nobody else closes them.

    States: waiting → live ⇄ parked → ended (`states.NEXT`). `over` is set when it shall end; the switchboard, which
    holds it open, then leaves the context, and that closes everything from mic to ear.
    """

    def __init__(
        self, identity: str, username: str, ssrc: int, parts: Services, forget: Forget, grant_of: GrantOf = lambda peer_id: ""
    ) -> None:
        """forget: called with the id of a peer that is gone for good; grant_of: by what the resource of a peer was made."""
        self.id = identity
        self.username = username
        self.life = Life()
        self.state = BroadcastState.WAITING
        self.over = asyncio.Event()
        self.recording: int | None = None  # known for good after the end
        self.ssrc = ssrc
        self.ingest = Ingest(parts.config.ingest.reorder_ms, self._ordered, awake=parts.awake)
        self.fanout = Fanout(ssrc)
        watch = LoadMonitor(parts.capacity, parts.config.worker.max_delay_ms)
        self.worker = WorkerSupervisor(identity, parts.get_forkserver, parts.catalogue, watch, self._denoised, self._worker_changed)
        room = DiskRoom(parts.config.storage.path, parts.config.storage.floor_mb * MB)
        self.taping = BroadcastRecording(identity, parts.archive, room, self._changed)
        self._heard = Heard(self.worker, self.taping.heard)
        self.survival = Survival(identity, parts.memory, self._left)
        self._background = Background()
        places, later = parts.config.broadcast.places, self._background.start
        self.audience = Audience(identity, places, self.fanout, self.worker, forget, self._changed, later)
        self.source = Source(identity, self.ingest, self.over, forget, later, self._spoken, self._media, self.park)
        self._adaptation = Adaptation(self.ingest, self.fanout, self.worker.tuning, parts.capacity, self._tell_brevity)
        self._parts = parts
        self._grant_of = grant_of
        self._suspended = False
        self._parked_at = 0.0
        self._ticks = 0
        self._loudness = Loudness()
        self._closing = AsyncExitStack()

    # life

    async def __aenter__(self) -> "Broadcast":
        async with AsyncExitStack() as opening:  # from ear to mic, so that closing runs mic to ear
            self._parts.ledger.open(self.ingest.losses)
            opening.callback(self._parts.ledger.settle, self.ingest.losses)
            opening.push_async_callback(self._background.finished)
            opening.push_async_callback(self._close_tape)
            opening.push_async_callback(self.audience.close)
            opening.callback(self.fanout.close)
            await opening.enter_async_context(self.worker)
            opening.push_async_callback(ended, lasting(ticking(TICK_S, self._tick, self.over), name=f"ticker of {self.id}"))
            opening.push_async_callback(self._drained)
            opening.push_async_callback(self.source.close)
            opening.callback(self.ingest.close)
            self._closing = opening.pop_all()
        self.fanout.heard = self._heard.packet
        self._lengthen_hold(self._parts.catalogue.delay_samples(self.worker.denoiser))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        was_on_air = self.on_air
        if self.state is not BroadcastState.ENDED:
            self._move(BroadcastEvent.OVER)
        self._background.start(self.survival.close(self._left() if self._suspended else None))
        await self._closing.aclose()
        how, so_far = "left to the next run" if self._suspended else "ended", (self.ingest.received, self.ingest.lost)
        logger.info("%s: %s after %.1f s, %s packets received, %s lost", self.id, how, self.life.duration_s, *so_far)
        if was_on_air and not self._suspended:
            self._parts.news.on_ended(self.username, self.recording)

    async def _drained(self) -> None:
        """Let the worker give back what it holds, so that the last word is denoised too; what is late goes out as it is."""
        if self.worker.active and self.state is not BroadcastState.WAITING:
            await asyncio.sleep(DRAIN_S)
        self.fanout.flush()

    async def _close_tape(self) -> None:
        self.recording = await self.taping.close(resumable=self._suspended)

    # state

    @property
    def on_air(self) -> bool:
        """Friends see it as live: it has begun and is not over; parked counts, for it may come back any moment."""
        return self.state in (BroadcastState.LIVE, BroadcastState.PARKED)

    def _move(self, event: BroadcastEvent) -> None:
        if self.state is BroadcastState.PARKED and event is BroadcastEvent.MEDIA:
            self._heard.returned()
        self.state = NEXT[self.state, event]
        self._changed()

    def _changed(self) -> None:
        if not self._suspended:  # then it is not over for anybody but this process
            self.survival.note()
            self._parts.news.on_status(self.username)

    def _go_live(self) -> None:
        since = self.life.begin()
        self._tape()
        self.survival.begin()
        self._parts.news.on_live(self.username, since)
        logger.info("%s: live", self.id)

    def _tape(self) -> None:
        if self.life.record and self._parts.config.recording.enabled and self.life.since is not None:
            self.taping.start(self.username, lambda: self.life.title, self.life.since)

    def suspend(self) -> None:
        """The server is about to end: close everything, but so that its next run can take it up. Who has not begun is over."""
        if not self.over.is_set():
            self._suspended = self.on_air
            self.over.set()

    async def restore(self, survivor: Survivor) -> None:
        """Instead of a first offer: go on with what the last run left. Parked; the grace time begins with `await_return`."""
        left, known = survivor.left, self._parts.catalogue.names()
        held = await self.taping.resume(*survivor.tape) if survivor.tape else 0
        self.ingest.resume(self.life.go_on(left, held))
        self.ingest.mute(left.muted)
        self.worker.tuning.limit_attenuation(left.strength_db)
        self.worker.request(left.denoise, left.denoiser if left.denoiser in known else None)
        self._lengthen_hold(self._parts.catalogue.delay_samples(self.worker.denoiser))
        self.source.restore(left.resource)
        self._parked_at = math.inf
        self._move(BroadcastEvent.RESTORED)
        self.survival.begin()
        if survivor.tape is None:
            self._tape()
        logger.info("%s: taken up, %.1f s after it began", self.id, self.life.duration_s)

    def await_return(self) -> None:
        """The server is ready: whoever was restored has the grace time from now on."""
        if self.state is BroadcastState.PARKED and self.source.peer is None:
            self._parked_at = time.monotonic()

    def _left(self) -> Left:
        return self.life.left(self.id, self.username, self.worker, self.source.speaker, self._grant_of(self.source.speaker))

    # the broadcaster

    def offer(self, peer: Peer, wish: PublishOptions) -> None:
        """A peer that may become the source: it does with its first authenticated packet of Opus as agreed, and harms nobody before."""
        self.source.offer(peer, wish)
        if self.state is BroadcastState.WAITING:
            self._apply(wish, denoise=wish.denoise is not False)

    def withdraw(self, peer_id: str) -> bool:
        """DELETE by the maker of a publishing peer. True: it was the source (or the only reservation), so this is Stop."""
        return self.state is not BroadcastState.ENDED and self.source.withdraw(peer_id)

    def park(self) -> None:
        """The broadcaster left, perhaps to come back: the grace time starts now. What it still sends is heard (see `_media`)."""
        if self.state is BroadcastState.LIVE:
            self._parked_at = time.monotonic()
            self._move(BroadcastEvent.LEFT)

    def mute(self, muted: bool) -> None:
        """Whoever sends, now or later: while muted, ingest lets no sound through. Only `False` lifts it."""
        self.life.muted = muted
        self.ingest.mute(muted)
        self._changed()

    def retitle(self, title: str) -> None:
        """The recording was given another title: who listens sees it at once, and no takeover changes it any more."""
        self.life.rename(title)
        self._changed()

    def _spoken(self, wish: PublishOptions) -> None:
        """Here a reservation becomes the broadcast: live, or taken over."""
        self._adaptation.begin()
        if self.state is BroadcastState.WAITING:
            self._move(BroadcastEvent.MEDIA)
            self._go_live()
            return
        self._apply(wish, wish.denoise)
        if self.state is not BroadcastState.LIVE:
            self._move(BroadcastEvent.MEDIA)
        else:
            self._changed()

    def _media(self, packet: RtpPacket, arrival_ns: int) -> None:
        """It is heard while parked too: another page of the broadcaster's may have left, not the one that speaks."""
        if self.state is BroadcastState.PARKED and time.monotonic() - self._parked_at >= STAYS_S:
            self._move(BroadcastEvent.MEDIA)
        self.ingest.receive(packet, arrival_ns)

    def _apply(self, wish: PublishOptions, denoise: bool | None) -> None:
        self.life.take(wish)
        self.worker.request(denoise, wish.denoiser)
        self._lengthen_hold(self._parts.catalogue.delay_samples(self.worker.denoiser))

    # what it is denoised by

    def switch(self, enabled: bool | None, denoiser: str | None) -> None:
        """The broadcaster's switch and choice of denoiser. Raises UnknownDenoiser."""
        check_known(self._parts.catalogue, denoiser)
        self.worker.request(enabled, denoiser)
        self._follow()
        self._changed()

    def strengthen(self, strength_db: float | None) -> None:
        """Limit the attenuation, 0 to 100 dB; None: no limit."""
        self.worker.tuning.limit_attenuation(strength_db)
        self._changed()

    def _worker_changed(self) -> None:
        if self.worker.run is not None:
            self._lengthen_hold(self.worker.run.delay_samples)
        self._follow()
        self._changed()

    def _lengthen_hold(self, samples: int) -> None:
        """The hold is fixed by the first packet; a heavier denoiser that takes over later can only make it longer."""
        self.fanout.hold(samples)
        self.worker.held_samples = self.fanout.held_samples

    def _follow(self) -> None:
        """Tell the fan-out what `auto` points at, and from which number on a denoised packet is worth waiting for."""
        self.fanout.follow(self.worker.enabled and self.worker.state is not DenoiseState.BYPASSED, self.worker.active)

    # the way of a packet

    def _ordered(self, packet: Packet) -> None:
        if packet.original_dbfs == packet.original_dbfs:  # it is known: no nan
            self._loudness.original(packet)
        self.worker.put(packet)
        self.taping.original(packet)
        self.fanout.original(packet)

    def _denoised(self, packet: Packet) -> None:
        self._loudness.denoised(packet)
        self.fanout.denoised(packet)

    # time

    def _tick(self, now_ns: int) -> None:
        now, awake_ns = now_ns / 1e9, self._parts.awake.look()
        awake = awake_ns / 1e9
        self.worker.check(now_ns, awake_ns)
        if self._ticks % SLOW_TICKS == 0:
            self._adaptation.look_at_losses(now_ns)
            if self.state is BroadcastState.LIVE:
                self._adaptation.look_at_load(now_ns)
        self._ticks += 1
        if self.state is BroadcastState.LIVE:
            self._parts.news.on_level(self.username, *self._loudness.told(denoising=self.worker.active))
        elif self.state is BroadcastState.PARKED and now - max(self._parked_at, awake) > self._parts.config.broadcast.grace_s:
            self.over.set()
        self.audience.look(now)
        self.source.look(now, awake)

    def _tell_brevity(self, packet_ms: int) -> None:
        logger.info("%s: to come in packets of %d ms", self.id, packet_ms)
        self._parts.news.on_brevity(self.username, packet_ms)
