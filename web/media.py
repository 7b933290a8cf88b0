"""Puts the media plane together: sockets, forkserver, models, self-tests, switchboard and presence. They open and close with the app."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace

from aiohttp import web

from sfu.broadcast.services import NoEvents, Services
from sfu.broadcast.snapshots import NoSnapshots
from sfu.broadcast.switchboard import MakePeer, Switchboard
from sfu.config.schema import Config
from sfu.denoise.capacity import Capacity
from sfu.denoise.forkserver_keeper import ForkserverKeeper
from sfu.drop_counters import DropCounters
from sfu.fanout import fanout
from sfu.ingest import ingest
from sfu.net.address_follower import AddressFollower
from sfu.net.media_port import MediaSockets
from sfu.peer import transport
from sfu.peer.dtls import new_certificate
from sfu.peer.endpoint import AnswerOptions, Endpoint
from sfu.peer.peer import Peer, make_peer
from sfu.wire import sdp
from sfu.wire.answer import BRIEF_MS
from sfu.wire.candidates import Used
from web.denoisers.catalogue import DENOISERS, HEAVINESS, DenoiserCatalogue
from web.denoisers.device import configured_device
from web.denoisers.preloader import Preloader
from web.events.node_messages import NODE_LINK
from web.events.presence import PRESENCE, Presence
from web.http.announced import ANNOUNCED, Announced
from web.http.known_names import KnownNames
from web.http.metrics import METRICS
from web.http.timeouts import STANDSTILL
from web.keys import CAPACITY, CONFIG, NODE, PRIVATE_SWITCHBOARD, SWITCHBOARD
from web.live.hear_yourself import HEAR_YOURSELF, HearYourself
from web.live.logbook import LOGBOOK
from web.live.self_test import SELF_TESTS, MakeTestPeer, SelfTests
from web.metrics.media_figures import meter_samples, socket_samples, switchboard_samples
from web.recordings.archive import ARCHIVE
from workers.disk_room import MB
from workers.models.store import ModelStore, WeightSources

KNOWN_NAMES = "names.json"  # in storage.path
MEDIA_SOCKETS = web.AppKey("MEDIA_SOCKETS", MediaSockets)


async def media(app: web.Application) -> AsyncIterator[None]:
    """Cleanup context: opens the parts that move, denoise and record sound, and closes them in reverse order."""
    config: Config = app[CONFIG]
    async with AsyncExitStack() as opening:
        sockets, announced = await _open_sockets(app, opening)
        keeper = await opening.enter_async_context(ForkserverKeeper(config.worker.share, app[STANDSTILL]))
        preloader = await opening.enter_async_context(Preloader(keeper))
        models = await _model_store(config, lambda: models_changed())
        denoisers = DenoiserCatalogue(config.denoise.default, models)
        capacity, drop_counters = Capacity(heaviness=HEAVINESS), DropCounters((*transport.REASONS, *ingest.REASONS, *fanout.REASONS))
        app[CAPACITY] = capacity
        app[METRICS].append(lambda: socket_samples(sockets, drop_counters))
        answer_offer, answer_self_test = _peer_makers(sockets, announced, capacity, drop_counters)
        app[SELF_TESTS] = await opening.enter_async_context(SelfTests(answer_self_test, sockets.port, sockets.transports))
        services = Services(
            *(config.ingest, config.worker, config.storage, config.recording, config.broadcast),
            *(preloader.forkserver, denoisers, app[ARCHIVE], app[LOGBOOK]),
            capacity=capacity,
            standstill=app[STANDSTILL],
            drop_counters=drop_counters,
            node=app.get(NODE, ""),
        )
        switchboard = await opening.enter_async_context(Switchboard(services, answer_offer))
        app[METRICS].append(lambda: switchboard_samples(switchboard, services.resends, denoisers.chosen(None)[0]))
        app[METRICS].append(lambda: meter_samples(services.meters, denoisers.chosen(None)[0]))
        app[HEAR_YOURSELF] = await opening.enter_async_context(HearYourself(private(services, answer_offer)))
        app[PRIVATE_SWITCHBOARD] = app[HEAR_YOURSELF].switchboard
        services.events = app[PRESENCE] = Presence(switchboard, others=app.get(NODE_LINK))
        opening.callback(app[PRESENCE].end_all)

        def models_changed() -> None:
            preloader.preload(denoisers)
            switchboard.look_again()

        await opening.enter_async_context(models)
        preloader.preload(denoisers)
        app[DENOISERS], app[SWITCHBOARD] = denoisers, switchboard
        await switchboard.restore(app[LOGBOOK].found)
        await app[ARCHIVE].reconcile(switchboard.tapes)
        yield


def private(services: Services, make_peer: MakePeer) -> Switchboard:
    """A switchboard whose broadcasts share the workers with all others, and are neither recorded nor announced nor resumed."""
    recording = replace(services.recording, enabled=False)
    return Switchboard(replace(services, recording=recording, snapshots=NoSnapshots(), events=NoEvents()), make_peer)


async def _open_sockets(app: web.Application, opening: AsyncExitStack) -> tuple[MediaSockets, Announced]:
    """The media port, and the addresses at which clients reach it; both follow changes of the machine's addresses."""
    config: Config = app[CONFIG]
    sockets = await opening.enter_async_context(MediaSockets(config.rtc.host, config.rtc.port, standstill=app[STANDSTILL]))
    known = KnownNames(config.storage.path / KNOWN_NAMES)
    announced = await opening.enter_async_context(Announced(config.rtc.announce, config.http.public_url, known))
    await opening.enter_async_context(AddressFollower(sockets, config.rtc.host, announced.ask_again))
    app[MEDIA_SOCKETS], app[ANNOUNCED] = sockets, announced
    return sockets, announced


async def _model_store(config: Config, changed: Callable[[], None]) -> ModelStore:
    """Not opened yet. changed: called when a model becomes available or unavailable."""
    return ModelStore(
        WeightSources(config.models.path, config.models.url, config.models.download),
        config.storage.path / "cache",
        changed,
        device=await configured_device(config.denoise.device),
        post_filter=config.denoise.post_filter,
        floor=config.storage.floor_mb * MB,
    )


def _peer_makers(
    sockets: MediaSockets, announced: Announced, capacity: Capacity, drop_counters: DropCounters
) -> tuple[MakePeer, MakeTestPeer]:
    """What answers the offers of WHIP and WHEP, and what answers those of the self-test. All peers share one certificate."""
    endpoint = Endpoint(sockets, new_certificate(), lambda: announced.addresses, drop_counters)

    def answer_offer(offer: sdp.Offer, kind: sdp.Kind, ssrc: int | None, used: Used, owner: str) -> Peer:
        packet_ms = BRIEF_MS if capacity.roomy else None
        return make_peer(endpoint, offer, kind, AnswerOptions(used, ssrc=ssrc, owner=owner, packet_ms=packet_ms))

    def answer_self_test(offer: sdp.Offer, used: Used, over: sdp.Over) -> Peer:
        return make_peer(endpoint, offer, "subscribe", AnswerOptions(used, (over,)))

    return answer_offer, answer_self_test
