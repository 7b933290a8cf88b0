"""One broadcast: its parts, its state, and its end."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType

from sfu.broadcast.adaptation import Adaptation
from sfu.broadcast.audience import Audience, AudienceCalls
from sfu.broadcast.auto_variant import AutoVariant
from sfu.broadcast.controls import BroadcasterControls
from sfu.broadcast.grace_time import GraceTime
from sfu.broadcast.heard import Heard
from sfu.broadcast.loudness import Loudness
from sfu.broadcast.properties import BroadcastProperties
from sfu.broadcast.recorded import Recorded
from sfu.broadcast.services import PublishOptions, Services
from sfu.broadcast.snapshots import BroadcastSnapshot, ResumableBroadcast, SnapshotWriter
from sfu.broadcast.source import Source, SourceCalls
from sfu.broadcast.states import NEXT, BroadcastEvent, BroadcastState
from sfu.denoise.load_monitor import LoadMonitor
from sfu.denoise.supervisor import WorkerSupervisor
from sfu.fanout.fanout import Fanout
from sfu.ingest.ingest import Ingest
from sfu.peer.peer import Peer
from sfu.tasks import BackgroundTasks, call_every, cancel_and_wait, start_task
from sfu.wire.rtp import RtpPacket
from workers.link.ring import Packet

logger = logging.getLogger(__name__)

TICK_S = 0.1
SLOW_TICKS = 5  # between two checks of what changes slowly
DRAIN_S = 0.15  # the worker returns its last 40 ms within this


class Broadcast:
    """One broadcaster on air. Owns its source, ingest, worker, fan-out, audience and recording; nobody else closes them.

    States: waiting → live ⇄ parked → ended (`states.NEXT`). `over` is set when it shall end; the switchboard then
    leaves the context, which closes everything from source to listeners. Nothing is told of one that is not `here`: of several
    servers one has `expect` called and another one `give_up`, with the first packet between.
    """

    def __init__(
        self,
        identity: str,
        username: str,
        ssrc: int,
        services: Services,
        forget: Callable[[str], None],
        grant_of: Callable[[str], str] = lambda peer_id: "",
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """forget: called with the id of a peer that is gone for good; grant_of: returns the name of the grant of a peer's media session."""
        self.id = identity
        self.username = username
        self.properties = BroadcastProperties(identity, clock_ns)
        self.state = BroadcastState.WAITING
        self.over = asyncio.Event()
        self.recording: int | None = None  # known for good after the end
        self.ssrc = ssrc
        self.ingest = Ingest(services.ingest.reorder_ms, self._ordered, clock_ns=clock_ns, standstill=services.standstill)
        self.fanout = Fanout(ssrc, clock_ns=clock_ns, resends=services.resends)
        load_monitor = LoadMonitor(services.capacity, services.worker.max_delay_ms)
        self.worker = WorkerSupervisor(
            identity, services.get_forkserver, services.catalogue, load_monitor, self._denoised, self._worker_changed, clock_ns
        )
        self._background = BackgroundTasks()
        self.recorded = Recorded(username, self.properties, services, self._changed)
        self._auto_variant = AutoVariant(self.worker, self.fanout, services.catalogue)
        changed_parts = (self.properties, self.ingest, self.recorded, self.worker, self._auto_variant)
        self.controls = BroadcasterControls(*changed_parts, services.catalogue, self._changed)
        self._heard = Heard(self.worker, self.recorded.heard)
        self.snapshots = SnapshotWriter(identity, services.snapshots, self._snapshot)
        audience_calls = AudienceCalls(forget, self._changed, self._background.start)
        self.audience = Audience(identity, services.broadcast.places, self.fanout, self.worker, audience_calls, clock_ns)
        source_calls = SourceCalls(forget, self._background.start, self._spoken, self._media, self.park)
        self.source = Source(identity, self.ingest, self.over, source_calls, clock_ns)
        self._adaptation = Adaptation(self.ingest, self.fanout, self.worker.tuning, services.capacity, self._tell_packet_time)
        self._services = services
        self._clock_ns = clock_ns
        self._grant_of = grant_of
        self._suspended = self.is_given_up = False
        self._coming: BroadcastSnapshot | None = None  # as the server had it that gives it up
        self._grace_time = GraceTime(services.broadcast.grace_s)
        self._ticks = 0
        self._loudness = Loudness()
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> "Broadcast":
        async with AsyncExitStack() as opening:  # from listeners to source, so that closing runs from source to listeners
            for losses in (self.ingest.losses, self.fanout.losses):
                self._services.drop_counters.add(losses)
                opening.callback(self._services.drop_counters.retire, losses)
            opening.enter_context(self._services.meters.counting(self.ingest, self.worker))
            opening.push_async_callback(self._background.wait)
            opening.push_async_callback(self._close_recording)
            opening.push_async_callback(self.audience.close)
            opening.callback(self.fanout.close)
            await opening.enter_async_context(self.worker)
            opening.push_async_callback(cancel_and_wait, start_task(call_every(TICK_S, self._tick, self.over), name=f"ticker of {self.id}"))
            opening.push_async_callback(self._drained)
            opening.push_async_callback(self.source.close)
            opening.callback(self.ingest.close)
            self._closing = opening.pop_all()
        self.fanout.heard = self._heard.packet
        self._auto_variant.prepare()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        was_on_air = self.on_air
        if self.state is not BroadcastState.ENDED:
            self._move(BroadcastEvent.OVER)
        self._background.start(self.snapshots.close(self._snapshot() if self._suspended else None))
        try:
            await self._closing.aclose()
        finally:
            how, so_far = "suspended for the next run" if self._suspended else "ended", (self.ingest.received, self.ingest.lost)
            logger.info("%s: %s after %.1f s, %s packets received, %s lost", self.id, how, self.properties.duration_s, *so_far)
            if was_on_air and not self._suspended and not self.is_given_up:
                self._services.events.on_ended(self.username, self.recording)

    async def _drained(self) -> None:
        """Wait for the worker to return the packets that it holds; send those it does not return as originals."""
        if self.worker.active and self.state is not BroadcastState.WAITING:
            await asyncio.sleep(DRAIN_S)
        self.fanout.flush()

    async def _close_recording(self) -> None:
        self.recording = await self.recorded.close(resumable=self._suspended)

    @property
    def here(self) -> bool:
        """Whether it is this server's: not of another one that gives it up, or to which it has gone."""
        return self._coming is None and not self.is_given_up

    @property
    def on_air(self) -> bool:
        """Friends see it as live: live or parked, for a parked broadcast may come back at any moment."""
        return self.state in (BroadcastState.LIVE, BroadcastState.PARKED)

    def _move(self, event: BroadcastEvent) -> None:
        if self.state is BroadcastState.PARKED and event is BroadcastEvent.MEDIA:
            self._heard.returned()
        self.state = NEXT[self.state, event]
        self._changed()

    def _changed(self) -> None:
        if self.here and not self._suspended:  # a suspended broadcast ends for this process only
            self.snapshots.note()
            self._services.events.on_status(self.username)

    def _go_live(self) -> None:
        since = self.properties.begin()
        self.recorded.begin()
        self.snapshots.begin()
        self._services.events.on_live(self.username, since)
        logger.info("%s: live", self.id)

    def suspend(self) -> None:
        """The server is about to end: close everything so that its next run can resume. A broadcast that has not begun ends."""
        if not self.over.is_set():
            self._suspended = self.on_air and self.here
            self.over.set()

    async def restore(self, resumable: ResumableBroadcast) -> None:
        """Resume from a snapshot instead of a first offer. The broadcast is parked; its grace time begins with `await_return`."""
        snapshot = resumable.snapshot
        held = await self.recorded.resume(*resumable.tape, snapshot.origin) if resumable.tape else 0
        self._take_on(snapshot, self.properties.resume(snapshot, max(held, resumable.place)))
        self.source.restore(snapshot.media_session)
        self._grace_time.hold()
        self._move(BroadcastEvent.RESTORED)
        self.snapshots.begin()
        if resumable.tape is None:
            self.recorded.begin()
        logger.info("%s: resumed, %.1f s after it began", self.id, self.properties.duration_s)

    def expect(self, snapshot: BroadcastSnapshot) -> None:
        """Another server gives it up: it goes on here with the first packet of an offer that follows, or never was here."""
        self._coming = snapshot
        self._take_on(snapshot, self.properties.resume(snapshot, 0))  # so the worker has started by then

    def _take_on(self, snapshot: BroadcastSnapshot, place: int) -> None:
        known = self._services.catalogue.names()
        self.ingest.resume(place)
        self.ingest.mute(snapshot.muted)
        self.worker.tuning.limit_attenuation(snapshot.strength_db)
        self.worker.request(snapshot.denoise, snapshot.denoiser if snapshot.denoiser in known else None)
        self._auto_variant.prepare()

    def _go_on(self, snapshot: BroadcastSnapshot) -> None:
        """Its broadcaster sends here from now on."""
        self.ingest.resume(self.properties.resume(snapshot, 0))
        self._coming = None
        self._move(BroadcastEvent.MEDIA)
        self.recorded.begin(goes_on=True)
        self.snapshots.begin()
        logger.info("%s: goes on here, %.1f s after it began", self.id, self.properties.duration_s)

    def give_up(self) -> None:
        """It goes on at another server. Who listens here is served until they have followed; nothing more is recorded or told of it."""
        if not self.is_given_up and not self.over.is_set():
            self.is_given_up = True
            self.recorded.leave()
            self._services.events.on_given_up(self.username)
            logger.info("%s: goes on at another server", self.id)

    def await_return(self) -> None:
        """The server is ready: the grace time of a resumed broadcast begins now."""
        if self.state is BroadcastState.PARKED and self.source.peer is None:
            self._grace_time.begin(self._clock_ns() / 1e9)

    def _snapshot(self) -> BroadcastSnapshot:
        return self.properties.snapshot(self.username, self.worker, self.source.speaker, self._grant_of(self.source.speaker))

    # the broadcaster

    def offer(self, peer: Peer, options: PublishOptions) -> None:
        """Add a peer that becomes the source with its first authenticated packet of negotiated Opus, and changes nothing before."""
        self.source.offer(peer, options)
        if self.state is BroadcastState.WAITING and self._coming is None:
            self._apply(options, denoise=options.denoise is not False)

    def withdraw(self, peer_id: str) -> bool:
        """DELETE of a publishing media session. Returns True if it was the source or the only reservation, so that this is Stop."""
        return self.state is not BroadcastState.ENDED and self.source.withdraw(peer_id)

    def park(self) -> None:
        """The broadcaster has left: the grace time starts now. Packets that still arrive are played (see `_media`)."""
        if self.state is BroadcastState.LIVE:
            self._grace_time.begin(self._clock_ns() / 1e9)
            self._move(BroadcastEvent.LEFT)

    def _spoken(self, options: PublishOptions) -> None:
        """A new source has sent its first packet: the broadcast goes live, or is taken over."""
        self._adaptation.begin()
        if self._coming is not None:
            self._go_on(self._coming)
        elif self.state is BroadcastState.WAITING:
            self._move(BroadcastEvent.MEDIA)
            self._go_live()
            return
        self._apply(options, options.denoise)
        if self.state is not BroadcastState.LIVE:
            self._move(BroadcastEvent.MEDIA)
        else:
            self._changed()

    def _media(self, packet: RtpPacket, arrival_ns: int) -> None:
        """Packets are played while parked too: another page of the broadcaster may have left, not the one that sends."""
        if self.state is BroadcastState.PARKED and self._grace_time.still_sends(self._clock_ns() / 1e9):
            self._move(BroadcastEvent.MEDIA)
        self.ingest.receive(packet, arrival_ns)

    def _apply(self, options: PublishOptions, denoise: bool | None) -> None:
        self.properties.take(options)
        self.worker.request(denoise, options.denoiser)
        self._auto_variant.prepare()

    def _worker_changed(self) -> None:
        self._auto_variant.worker_changed()
        self._changed()

    # packets

    def _ordered(self, packet: Packet) -> None:
        self._loudness.original(packet)
        self.worker.put(packet)
        self.recorded.original(packet)
        self.fanout.original(packet)

    def _denoised(self, packet: Packet) -> None:
        self._loudness.denoised(packet)
        self.fanout.denoised(packet)

    def _tick(self, now_ns: int) -> None:
        now, standstill_end_ns = now_ns / 1e9, self._services.standstill.check()
        standstill_end_s = standstill_end_ns / 1e9
        self.worker.check(now_ns, standstill_end_ns)
        self._services.meters.take(self.ingest, self.worker, self.fanout)
        if self._ticks % SLOW_TICKS == 0:
            self._adaptation.look_at_losses(now_ns)
            if self.state is BroadcastState.LIVE:
                self._adaptation.look_at_load(now_ns)
        self._ticks += 1
        if self.state is BroadcastState.LIVE and self.here:
            self._services.events.on_level(self.username, *self._loudness.levels(denoising=self.worker.active))
        elif self.state is BroadcastState.PARKED and self._grace_time.is_over(now, standstill_end_s):
            self.over.set()
        self.audience.look(now)
        self.source.look(now, standstill_end_s)

    def _tell_packet_time(self, packet_ms: int) -> None:
        if self.here:
            logger.info("%s: asked for packets of %d ms", self.id, packet_ms)
            self._services.events.on_packet_time(self.username, packet_ms)
