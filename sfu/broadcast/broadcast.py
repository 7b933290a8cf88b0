"""One broadcast: its parts, its state, and its end."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType

from sfu.broadcast.adaptation import Adaptation
from sfu.broadcast.audience import Audience, AudienceEvents
from sfu.broadcast.heard import Heard
from sfu.broadcast.loudness import Loudness
from sfu.broadcast.properties import BroadcastProperties
from sfu.broadcast.services import PublishOptions, Services
from sfu.broadcast.snapshots import BroadcastSnapshot, ResumableBroadcast, SnapshotWriter
from sfu.broadcast.source import Source, SourceEvents
from sfu.broadcast.states import NEXT, BroadcastEvent, BroadcastState
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
SLOW_TICKS = 5  # between two checks of what changes slowly
STAYS_S = 1.0  # a source that still sends so long after parking has not left; packets in flight from a leaving page do not count
DRAIN_S = 0.15  # the worker returns its last 40 ms within this


class Broadcast:
    """One broadcaster on air. Owns its source, ingest, worker, fan-out, audience and recording; nobody else closes them.

    States: waiting → live ⇄ parked → ended (`states.NEXT`). `over` is set when it shall end; the switchboard then
    leaves the context, which closes everything from source to listeners.
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
        self.properties = BroadcastProperties(clock_ns)
        self.state = BroadcastState.WAITING
        self.over = asyncio.Event()
        self.recording: int | None = None  # known for good after the end
        self.ssrc = ssrc
        self.ingest = Ingest(services.ingest.reorder_ms, self._ordered, clock_ns=clock_ns, awake=services.awake)
        self.fanout = Fanout(ssrc, clock_ns=clock_ns)
        load_monitor = LoadMonitor(services.capacity, services.worker.max_delay_ms)
        self.worker = WorkerSupervisor(
            identity, services.get_forkserver, services.catalogue, load_monitor, self._denoised, self._worker_changed, clock_ns
        )
        room = DiskRoom(services.storage.path, services.storage.floor_mb * MB)
        self.broadcast_recording = BroadcastRecording(identity, services.archive, room, self._changed)
        self._heard = Heard(self.worker, self.broadcast_recording.heard)
        self.snapshots = SnapshotWriter(identity, services.snapshots, self._snapshot)
        self._background = Background()
        audience_events = AudienceEvents(forget, self._changed, self._background.start)
        self.audience = Audience(identity, services.broadcast.places, self.fanout, self.worker, audience_events, clock_ns)
        source_events = SourceEvents(forget, self._background.start, self._spoken, self._media, self.park)
        self.source = Source(identity, self.ingest, self.over, source_events, clock_ns)
        self._adaptation = Adaptation(self.ingest, self.fanout, self.worker.tuning, services.capacity, self._tell_packet_time)
        self._services = services
        self._clock_ns = clock_ns
        self._grant_of = grant_of
        self._suspended = False
        self._parked_at = 0.0
        self._ticks = 0
        self._loudness = Loudness()
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> "Broadcast":
        async with AsyncExitStack() as opening:  # from listeners to source, so that closing runs from source to listeners
            self._services.drop_counters.open(self.ingest.losses)
            opening.callback(self._services.drop_counters.settle, self.ingest.losses)
            opening.push_async_callback(self._background.finished)
            opening.push_async_callback(self._close_recording)
            opening.push_async_callback(self.audience.close)
            opening.callback(self.fanout.close)
            await opening.enter_async_context(self.worker)
            opening.push_async_callback(ended, lasting(ticking(TICK_S, self._tick, self.over), name=f"ticker of {self.id}"))
            opening.push_async_callback(self._drained)
            opening.push_async_callback(self.source.close)
            opening.callback(self.ingest.close)
            self._closing = opening.pop_all()
        self.fanout.heard = self._heard.packet
        self._lengthen_hold(self._services.catalogue.delay_samples(self.worker.denoiser))
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
            if was_on_air and not self._suspended:
                self._services.events.on_ended(self.username, self.recording)

    async def _drained(self) -> None:
        """Wait for the worker to return the packets that it holds; send those it does not return as originals."""
        if self.worker.active and self.state is not BroadcastState.WAITING:
            await asyncio.sleep(DRAIN_S)
        self.fanout.flush()

    async def _close_recording(self) -> None:
        self.recording = await self.broadcast_recording.close(resumable=self._suspended)

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
        if not self._suspended:  # a suspended broadcast ends for this process only
            self.snapshots.note()
            self._services.events.on_status(self.username)

    def _go_live(self) -> None:
        since = self.properties.begin()
        self._tape()
        self.snapshots.begin()
        self._services.events.on_live(self.username, since)
        logger.info("%s: live", self.id)

    def _tape(self) -> None:
        if self.properties.record and self._services.recording.enabled and self.properties.since is not None:
            self.broadcast_recording.start(self.username, lambda: self.properties.title, self.properties.since)

    def suspend(self) -> None:
        """The server is about to end: close everything so that its next run can resume. A broadcast that has not begun ends."""
        if not self.over.is_set():
            self._suspended = self.on_air
            self.over.set()

    async def restore(self, resumable: ResumableBroadcast) -> None:
        """Resume from a snapshot instead of a first offer. The broadcast is parked; its grace time begins with `await_return`."""
        snapshot, known = resumable.snapshot, self._services.catalogue.names()
        held = await self.broadcast_recording.resume(*resumable.tape) if resumable.tape else 0
        self.ingest.resume(self.properties.resume(snapshot, held))
        self.ingest.mute(snapshot.muted)
        self.worker.tuning.limit_attenuation(snapshot.strength_db)
        self.worker.request(snapshot.denoise, snapshot.denoiser if snapshot.denoiser in known else None)
        self._lengthen_hold(self._services.catalogue.delay_samples(self.worker.denoiser))
        self.source.restore(snapshot.media_session)
        self._parked_at = math.inf
        self._move(BroadcastEvent.RESTORED)
        self.snapshots.begin()
        if resumable.tape is None:
            self._tape()
        logger.info("%s: resumed, %.1f s after it began", self.id, self.properties.duration_s)

    def await_return(self) -> None:
        """The server is ready: the grace time of a resumed broadcast begins now."""
        if self.state is BroadcastState.PARKED and self.source.peer is None:
            self._parked_at = self._clock_ns() / 1e9

    def _snapshot(self) -> BroadcastSnapshot:
        return self.properties.snapshot(self.id, self.username, self.worker, self.source.speaker, self._grant_of(self.source.speaker))

    # the broadcaster

    def offer(self, peer: Peer, options: PublishOptions) -> None:
        """Add a peer that becomes the source with its first authenticated packet of negotiated Opus, and changes nothing before."""
        self.source.offer(peer, options)
        if self.state is BroadcastState.WAITING:
            self._apply(options, denoise=options.denoise is not False)

    def withdraw(self, peer_id: str) -> bool:
        """DELETE of a publishing media session. Returns True if it was the source or the only reservation, so that this is Stop."""
        return self.state is not BroadcastState.ENDED and self.source.withdraw(peer_id)

    def park(self) -> None:
        """The broadcaster has left: the grace time starts now. Packets that still arrive are played (see `_media`)."""
        if self.state is BroadcastState.LIVE:
            self._parked_at = self._clock_ns() / 1e9
            self._move(BroadcastEvent.LEFT)

    def mute(self, muted: bool) -> None:
        """Mute this and every later source: ingest replaces their sound by silence until called with False."""
        self.properties.muted = muted
        self.ingest.mute(muted)
        self._changed()

    def retitle(self, title: str) -> None:
        """The recording was given another title: listeners see it at once, and no takeover changes it."""
        self.properties.rename(title)
        self._changed()

    def _spoken(self, options: PublishOptions) -> None:
        """A new source has sent its first packet: the broadcast goes live, or is taken over."""
        self._adaptation.begin()
        if self.state is BroadcastState.WAITING:
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
        if self.state is BroadcastState.PARKED and self._clock_ns() / 1e9 - self._parked_at >= STAYS_S:
            self._move(BroadcastEvent.MEDIA)
        self.ingest.receive(packet, arrival_ns)

    def _apply(self, options: PublishOptions, denoise: bool | None) -> None:
        self.properties.take(options)
        self.worker.request(denoise, options.denoiser)
        self._lengthen_hold(self._services.catalogue.delay_samples(self.worker.denoiser))

    def switch(self, enabled: bool | None, denoiser: str | None) -> None:
        """The broadcaster's switch and choice of denoiser. Raises UnknownDenoiser."""
        check_known(self._services.catalogue, denoiser)
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
        """Tell the fan-out which variant `auto` is, and whether denoised packets are worth waiting for."""
        self.fanout.follow(self.worker.enabled and self.worker.state is not DenoiseState.BYPASSED, self.worker.active)

    # packets

    def _ordered(self, packet: Packet) -> None:
        self._loudness.original(packet)
        self.worker.put(packet)
        self.broadcast_recording.original(packet)
        self.fanout.original(packet)

    def _denoised(self, packet: Packet) -> None:
        self._loudness.denoised(packet)
        self.fanout.denoised(packet)

    def _tick(self, now_ns: int) -> None:
        now, awake_ns = now_ns / 1e9, self._services.awake.look()
        awake = awake_ns / 1e9
        self.worker.check(now_ns, awake_ns)
        if self._ticks % SLOW_TICKS == 0:
            self._adaptation.look_at_losses(now_ns)
            if self.state is BroadcastState.LIVE:
                self._adaptation.look_at_load(now_ns)
        self._ticks += 1
        if self.state is BroadcastState.LIVE:
            self._services.events.on_level(self.username, *self._loudness.levels(denoising=self.worker.active))
        elif self.state is BroadcastState.PARKED and now - max(self._parked_at, awake) > self._services.broadcast.grace_s:
            self.over.set()
        self.audience.look(now)
        self.source.look(now, awake)

    def _tell_packet_time(self, packet_ms: int) -> None:
        logger.info("%s: asked for packets of %d ms", self.id, packet_ms)
        self._services.events.on_packet_time(self.username, packet_ms)
