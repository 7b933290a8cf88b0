"""What happens to a broadcast in its narrow moments. Real peers, real rings; nobody at their other ends."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest

from sfu.broadcast.broadcast import Broadcast
from sfu.broadcast.services import NoEvents, PublishOptions, Services
from sfu.broadcast.snapshots import BroadcastSnapshot, NoSnapshots, ResumableBroadcast, SnapshotStore
from sfu.broadcast.source import WAITING_PEERS
from sfu.broadcast.states import BroadcastState
from sfu.broadcast.switchboard import Switchboard
from sfu.config import schema as config_of
from sfu.config.schema import Config, RecordingConfig
from sfu.denoise.forkserver_keeper import ForkserverKeeper
from sfu.elapsed import Moment
from sfu.fanout.fanout import ResendCounters
from sfu.fanout.listener import Listener
from sfu.net.media_port import MediaSockets
from sfu.peer.dtls import new_certificate
from sfu.peer.endpoint import Endpoint
from sfu.peer.peer import Peer, make_peer
from sfu.recording.recorder import Totals
from sfu.wire.offer import parse_offer
from sfu.wire.rtcp import Nack
from sfu.wire.rtp import RtpPacket
from tests.support.softphone import OPUS, offer
from tests.support.spoken import decoded, packets_of
from workers.errors import WorkerFailed
from workers.link.forkserver import Forkserver
from workers.link.ring import Packet

VOICE = RtpPacket(OPUS, False, 0, 0, 7, bytes([0xFC, 1, 2]))


class Shelf:
    """A catalogue with one denoiser on it."""

    def names(self) -> list[str]:
        return ["passthrough"]

    def chosen(self, wanted: str | None) -> tuple[str, str | None]:
        return "passthrough", None

    def options(self, name: str) -> Mapping[str, object]:
        return {}

    def delay_samples(self, name: str) -> int:
        return 960


class Nowhere:
    """An archive that is never asked."""

    async def begin(self, username: str, broadcast: str, title: str, started_at: datetime) -> tuple[int, Path]:
        raise OSError

    async def finish(self, recording: int, totals: Totals) -> None:
        raise OSError


async def no_forkserver() -> Forkserver:
    raise WorkerFailed("there is none")


@pytest.fixture
async def sockets() -> AsyncIterator[MediaSockets]:
    async with MediaSockets(("127.0.0.1",), 0) as bound:
        yield bound


def services_of(config: Config, *more: SnapshotStore) -> Services:
    settings = (config.ingest, config.worker, config.storage, config.recording, config.broadcast)
    return Services(*settings, no_forkserver, Shelf(), Nowhere(), *more)


def broadcast_of(name: str, places: int = 16) -> Broadcast:
    config = Config(recording=RecordingConfig(enabled=False), broadcast=config_of.BroadcastConfig(places=places))
    return Broadcast("a test", name, 1, services_of(config), lambda identity: None)


def peer_on(sockets: MediaSockets) -> Peer:
    certificate = new_certificate()
    text = offer(certificate, "sendonly", 7, ufrag=os.urandom(3).hex(), password=os.urandom(12).hex())
    return make_peer(Endpoint(sockets, certificate), parse_offer(text, "publish"), "publish")


class Kept(NoSnapshots):
    """A memory that tells what it was to forget."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []

    async def forget(self, broadcast: str) -> None:
        self.forgotten.append(broadcast)


async def test_resends_of_all_broadcasts_are_counted_together(sockets: MediaSockets) -> None:
    """What listeners of any broadcast ask for again is counted in one place, which outlasts the broadcast."""
    services = services_of(Config(recording=RecordingConfig(enabled=False)))
    for name in ("alice", "bob"):
        broadcast = Broadcast(name, name, 1, services, lambda identity: None)
        peer = peer_on(sockets)
        broadcast.fanout.rtcp(Listener(peer, "auto"), [Nack(9, 1, (7, 8))])
        await peer.close()
    assert services.resends == ResendCounters(resent=0, refused=4)


@pytest.mark.tolerates("errors")
async def test_what_cannot_be_taken_up_is_over_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: float) -> None:
    """Where there is no thread for its recording, a broadcast of the last run ends, and no later start finds it again."""

    def no_more(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    left = BroadcastSnapshot("old", "ada", "", False, Moment.now(), False, True, False, None, None, "resource", "login:1")
    memory = Kept()
    parts = services_of(Config(), memory)
    async with asyncio.timeout(20 * stretch), Switchboard(parts, lambda *_: pytest.fail("nobody offers anything")) as switchboard:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_more)
            await switchboard.restore([ResumableBroadcast(left, "user:ada", (1, tmp_path / "1"))])
        assert not switchboard.tapes and not switchboard.grants and memory.forgotten == ["old"]


async def test_who_speaks_first_at_the_end_is_closed_too(sockets: MediaSockets) -> None:
    """A first packet that comes between Stop and the end makes nobody live, and its peer is closed with the others."""
    async with broadcast_of("ada") as broadcast:
        peer = peer_on(sockets)
        broadcast.offer(peer, PublishOptions(denoise=False))
        broadcast.over.set()
        peer.on_rtp(VOICE, time.monotonic_ns())
        assert broadcast.state is BroadcastState.WAITING
    assert peer.closed and broadcast.state is BroadcastState.ENDED


async def test_who_made_room_does_not_take_over(sockets: MediaSockets) -> None:
    """A waiting peer that had to make room waits no more, also while it is being closed."""
    async with broadcast_of("ada") as broadcast:
        peers = [peer_on(sockets) for _ in range(WAITING_PEERS + 1)]
        for peer in peers:
            broadcast.offer(peer, PublishOptions(denoise=False))
        peers[0].on_rtp(VOICE, time.monotonic_ns())
        assert broadcast.state is BroadcastState.WAITING
        peers[1].on_rtp(VOICE, time.monotonic_ns())
        assert broadcast.state is BroadcastState.LIVE


async def test_refused_video_makes_nobody_live(sockets: MediaSockets) -> None:
    """Nor does it take over; the first sound does both, and what came before it is counted."""
    video = VOICE._replace(payload_type=96, ssrc=9)
    async with broadcast_of("ada") as broadcast:
        first, second = peer_on(sockets), peer_on(sockets)
        for peer, state in ((first, BroadcastState.WAITING), (second, BroadcastState.LIVE)):
            broadcast.offer(peer, PublishOptions(denoise=False))
            peer.on_rtp(video, time.monotonic_ns())
            assert broadcast.state is state
            peer.on_rtp(VOICE, time.monotonic_ns())
            assert broadcast.state is BroadcastState.LIVE and not peer.closed
        assert broadcast.ingest.losses()["not_agreed"] == 2
        async with asyncio.timeout(20):
            while not first.closed:
                await asyncio.sleep(0)


async def test_who_speaks_on_is_heard_while_parked(sockets: MediaSockets, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that left was not the one that speaks: no packet is missing, and a while later it is live again; not before."""
    async with broadcast_of("ada") as broadcast:
        peer = peer_on(sockets)
        broadcast.offer(peer, PublishOptions(denoise=False))

        def speak(*numbers: int) -> None:
            for number in numbers:
                peer.on_rtp(VOICE._replace(sequence=number, timestamp=960 * number), time.monotonic_ns())

        speak(0, 1, 3)
        broadcast.park()
        speak(2, 4)
        assert broadcast.state is BroadcastState.PARKED and broadcast.ingest.samples and broadcast.ingest.received == 5
        monkeypatch.setattr("sfu.broadcast.grace_time.STAYS_S", 0.0)
        speak(5)
        assert broadcast.state is BroadcastState.LIVE and broadcast.ingest.lost == broadcast.ingest.late == broadcast.ingest.dropped == 0


class Folder:
    """An archive with one recording in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.totals = folder, list[Totals]()

    async def begin(self, username: str, broadcast: str, title: str, started_at: datetime) -> tuple[int, Path]:
        return 1, self.folder

    async def finish(self, recording: int, totals: Totals) -> None:
        self.totals.append(totals)


async def test_the_last_word_is_recorded(sockets: MediaSockets, tmp_path: Path, stretch: float) -> None:
    """Packets that wait behind a gap when the broadcast is stopped are in its recording: their time is the recording's end."""
    archive, config = Folder(tmp_path), Config()
    services = Services(config.ingest, config.worker, config.storage, config.recording, config.broadcast, no_forkserver, Shelf(), archive)
    async with asyncio.timeout(20 * stretch), Broadcast("a test", "ada", 1, services, lambda identity: None) as broadcast:
        peer = peer_on(sockets)
        broadcast.offer(peer, PublishOptions(denoise=False))
        for number in (0, 1, 2, 4, 5):
            peer.on_rtp(VOICE._replace(sequence=number, timestamp=960 * number), time.monotonic_ns())
    [totals] = archive.totals
    assert totals.packets == 5 and totals.duration_s == pytest.approx(0.12, abs=0.001)


@pytest.mark.real_time
async def test_the_last_word_is_denoised(sockets: MediaSockets, tmp_path: Path, stretch: float) -> None:
    """Packets that wait behind a gap at Stop still go through the worker: `auto` listeners and the recording get them denoised."""
    folder = Path(mkdtemp(dir=tmp_path))
    archive, config, sent, heard = Folder(folder), Config(), packets_of(1.0), list[tuple[int, str]]()
    async with asyncio.timeout(60 * stretch), ForkserverKeeper() as keeper:
        services = Services(
            *(config.ingest, config.worker, config.storage, config.recording, config.broadcast), keeper.forkserver, Shelf(), archive
        )
        async with Broadcast("a test", "ada", 1, services, lambda identity: None) as broadcast:
            peer, record, numbers = peer_on(sockets), broadcast.fanout.heard, count()
            broadcast.offer(peer, PublishOptions(denoise=True))

            def speak(number: int) -> None:
                voice = VOICE._replace(sequence=number, timestamp=960 * number, payload=sent[number % len(sent)])
                peer.on_rtp(voice, time.monotonic_ns())

            def hear(packet: Packet, variant: str) -> None:
                heard.append((packet.number, variant))
                assert record is not None
                record(packet, variant)

            broadcast.fanout.heard = hear
            while "denoised" not in [variant for _, variant in heard]:
                speak(next(numbers))
                await asyncio.sleep(0.02)
            next(numbers)  # lost
            last = [next(numbers), next(numbers)]
            for number in last:
                speak(number)
    assert [number for number, _ in heard] == list(range(last[-1] + 1))
    assert [variant for _, variant in heard[-3:]] == ["denoised"] * 3  # the lost one is concealed
    [totals] = archive.totals
    assert totals.denoised and totals.packets == last[-1] and totals.duration_s == pytest.approx(0.02 * (last[-1] + 1), abs=0.001)
    original, denoised = decoded(folder / "original.opus"), decoded(folder / "denoised.opus")
    assert np.std(denoised[-1920:]) > np.std(original[-1920:]) / 2  # sound to the end, not the silence that fills a gap


@pytest.mark.parametrize("places", [1, 3, 4])
async def test_one_person_has_so_many_places(sockets: MediaSockets, places: int) -> None:
    """With each further one the oldest goes; others keep theirs, and so does everybody who has a listen link."""
    async with broadcast_of("ada", places) as broadcast:
        bob, link = peer_on(sockets), [peer_on(sockets) for _ in range(6)]
        broadcast.audience.join(Listener(bob, "auto", name="bob"))
        for peer in link:
            broadcast.audience.join(Listener(peer, "auto", name="link:1"))
        own = [peer_on(sockets) for _ in range(6)]
        for peer in own:
            broadcast.audience.join(Listener(peer, "auto", name="eve"))
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            while len(broadcast.audience.listeners) > 7 + places:
                await asyncio.sleep(0)
        assert list(broadcast.audience.listeners) == [peer.id for peer in (bob, *link, *own[6 - places :])]
        assert own[0].closed and not bob.closed


async def test_whoever_hears_keeps_the_place(sockets: MediaSockets, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that tries to connect again and again does not end what the same person hears elsewhere."""
    async with broadcast_of("ada", 2) as broadcast:
        hearing, first, second = (peer_on(sockets) for _ in range(3))
        monkeypatch.setattr(Peer, "up", property(lambda peer: peer is hearing))
        for peer in (hearing, first, second):
            broadcast.audience.join(Listener(peer, "auto", name="eve"))
        async with asyncio.timeout(20):
            while len(broadcast.audience.listeners) > 2:
                await asyncio.sleep(0)
        assert list(broadcast.audience.listeners) == [hearing.id, second.id] and first.closed


@pytest.mark.tolerates("errors")
async def test_without_its_ticker_it_is_over(sockets: MediaSockets, monkeypatch: pytest.MonkeyPatch, stretch: float) -> None:
    """A fault in the ticker, without which nothing would ever park or end it, ends the broadcast."""
    async with broadcast_of("ada") as broadcast:
        broadcast.offer(peer_on(sockets), PublishOptions(denoise=False))
        monkeypatch.setattr(broadcast.fanout, "worst_loss", None)
        await asyncio.wait_for(broadcast.over.wait(), 20 * stretch)


class Told(NoEvents):
    """Notes who has ended."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, int | None]] = []

    def on_ended(self, username: str, recording: int | None) -> None:
        self.ended.append((username, recording))


async def test_its_end_is_told_whatever_fails_to_close(sockets: MediaSockets, monkeypatch: pytest.MonkeyPatch) -> None:
    """Friends hear that it has ended though one of its parts could not be closed."""
    broadcast, told = broadcast_of("ada"), Told()
    broadcast._services.events, close = told, broadcast.fanout.close

    def broken() -> None:
        close()
        raise RuntimeError("a fault")

    monkeypatch.setattr(broadcast.fanout, "close", broken)
    with pytest.raises(RuntimeError, match="a fault"):
        async with broadcast:
            peer = peer_on(sockets)
            broadcast.offer(peer, PublishOptions(denoise=False))
            peer.on_rtp(VOICE, time.monotonic_ns())
            assert broadcast.on_air
    assert told.ended == [("ada", None)]


async def test_all_its_parts_go_by_the_clock_that_it_is_given(sockets: MediaSockets) -> None:
    """A time limit, an offer without media and the time since it went live, of a broadcast whose clock stands near its beginning."""
    now_ns = 5_000_000_000
    broadcast = Broadcast("a test", "ada", 1, services_of(Config()), lambda identity: None, clock_ns=lambda: now_ns)
    broadcast.audience.join(Listener(peer_on(sockets), "auto", name="bob"), 10.0)
    broadcast.offer(peer_on(sockets), PublishOptions(denoise=False))
    broadcast.source.look(14.0)
    broadcast.audience.look(14.0)
    assert not broadcast.over.is_set() and len(broadcast.audience.listeners) == 1
    broadcast.properties.begin()
    now_ns += 2_000_000_000
    assert broadcast.properties.duration_s == 2.0
    broadcast.audience.look(15.1)
    broadcast.source.look(15.1)
    await broadcast._background.wait()
    assert broadcast.over.is_set() and not broadcast.audience.listeners
