"""Where the media plane is put together: sockets, forkserver, models, archive, switchboard; opened and closed with the app."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import asdict
from functools import partial

from aiohttp import web

from sfu.broadcast.services import Services
from sfu.broadcast.switchboard import Switchboard
from sfu.config.schema import Config
from sfu.denoise.capacity import Capacity
from sfu.denoise.forkserver_keeper import ForkserverKeeper
from sfu.drop_counters import DropCounters
from sfu.ingest import ingest
from sfu.net.address_follower import AddressFollower
from sfu.net.media_port import MediaSockets
from sfu.peer import transport
from sfu.peer.dtls import new_certificate
from sfu.peer.peer import Peer, make_peer
from sfu.wire import sdp
from sfu.wire.answer import BRIEF_MS
from sfu.wire.candidates import Used
from web.denoisers.catalogue import DENOISERS, HEAVINESS, DenoiserCatalogue
from web.denoisers.device import device_of
from web.denoisers.preloader import Preloader
from web.events.presence import PRESENCE, Presence
from web.http.announced import ANNOUNCED, Announced
from web.http.known_names import KnownNames
from web.http.metrics import METRICS, Sample
from web.http.timeouts import AWAKE
from web.keys import CONFIG, SWITCHBOARD
from web.live.logbook import LOGBOOK
from web.live.self_test import SELF_TESTS, SelfTests
from web.recordings.archive import ARCHIVE
from workers.disk_room import MB
from workers.models.store import ModelStore, WeightSources

KNOWN_NAMES = "names.json"  # in storage.path


MEDIA_SOCKETS = web.AppKey("MEDIA_SOCKETS", MediaSockets)


async def media(app: web.Application) -> AsyncIterator[None]:
    """Cleanup context: everything that moves, keeps or cleans sound."""
    config: Config = app[CONFIG]
    async with AsyncExitStack() as opening:
        sockets = await opening.enter_async_context(MediaSockets(config.rtc.host, config.rtc.port, awake=app[AWAKE]))
        app[MEDIA_SOCKETS] = sockets
        known = KnownNames(config.storage.path / KNOWN_NAMES)
        announced = await opening.enter_async_context(Announced(config.rtc.announce, config.http.public_url, known))
        await opening.enter_async_context(AddressFollower(sockets, config.rtc.host, announced.ask_again))
        app[ANNOUNCED] = announced
        nursing = await opening.enter_async_context(ForkserverKeeper(config.worker.share, app[AWAKE]))
        warming = await opening.enter_async_context(Preloader(nursing))
        models = ModelStore(
            WeightSources(config.models.path, config.models.url, config.models.download),
            config.storage.path / "cache",
            lambda: changed(),
            device=await device_of(config.denoise.device),
            post_filter=config.denoise.post_filter,
            floor=config.storage.floor_mb * MB,
        )
        denoisers = DenoiserCatalogue(config.denoise.default, models)
        certificate, ledger = new_certificate(), DropCounters((*transport.REASONS, *ingest.REASONS))
        peer_at = partial(make_peer, sockets, certificate, ledger=ledger, announce=lambda: announced.addresses)

        def peer_of(offer: sdp.Offer, kind: sdp.Kind, ssrc: int | None, used: Used, owner: str) -> Peer:
            brief = BRIEF_MS if services.capacity.roomy else None
            return peer_at(offer, kind, used=used, ssrc=ssrc, owner=owner, packet_ms=brief)

        def checkup(offer: sdp.Offer, used: Used, over: sdp.Over) -> Peer:
            return peer_at(offer, "subscribe", used=used, over=(over,))

        app[METRICS].append(lambda: socket_samples(sockets, ledger))
        app[SELF_TESTS] = await opening.enter_async_context(SelfTests(checkup, sockets.port, sockets.ways))
        capacity = Capacity(heaviness=HEAVINESS)
        services = Services(
            *(config.ingest, config.worker, config.storage, config.recording, config.broadcast),
            *(warming.forkserver, denoisers, app[ARCHIVE], app[LOGBOOK]),
            capacity=capacity,
            awake=app[AWAKE],
            drop_counters=ledger,
        )
        switchboard = await opening.enter_async_context(Switchboard(services, peer_of))
        app[METRICS].append(lambda: air_samples(switchboard))
        services.events = app[PRESENCE] = Presence(switchboard)
        opening.callback(app[PRESENCE].end_all)

        def changed() -> None:
            warming.warm(denoisers)
            switchboard.look_again()

        await opening.enter_async_context(models)
        warming.warm(denoisers)
        app[DENOISERS], app[SWITCHBOARD] = denoisers, switchboard
        await switchboard.restore(app[LOGBOOK].found)
        await app[ARCHIVE].reconcile(switchboard.on_air)
        yield


def socket_samples(sockets: MediaSockets, ledger: DropCounters) -> Iterable[Sample]:
    """What came to the media port and went nowhere, by reason; and how many connections it holds."""
    for reason, count in (asdict(sockets.dropped) | ledger.totals).items():
        yield Sample("hushcast_media_dropped_total", "counter", "Datagrams and connections dropped.", count, f'reason="{reason}"')
    streams = 0 if sockets.listening is None else sockets.listening.streams
    yield Sample("hushcast_media_connections", "gauge", "Open TCP connections of the media port.", streams)


def air_samples(switchboard: Switchboard) -> Iterable[Sample]:
    """Who sends and hears."""
    yield Sample("hushcast_listeners", "gauge", "Who hears something or is about to.", switchboard.listeners)
    yield Sample("hushcast_resources", "gauge", "WHIP and WHEP resources.", switchboard.media_sessions)
