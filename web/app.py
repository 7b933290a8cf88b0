"""Puts the application together: middleware, routes, and cleanup contexts, which close the parts in reverse order."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp_session import session_middleware

from db import known_time
from db.connection import Database
from sfu.config.schema import Config
from sfu.denoise.capacity import FULL
from sfu.standstill import StandstillDetector
from web.accounts.claims import CLAIMS, Claims
from web.auth.downloads import DOWNLOADS, Downloads
from web.auth.lately import LATELY, Lately
from web.auth.link_secrets import LINK_SECRETS, LinkSecrets
from web.auth.login_storage import LoginStorage
from web.auth.passwords import PASSWORDS, Passwords
from web.auth.rate_limit import RATE_LIMIT, RateLimit
from web.auth.recovery_codes import RECOVERY_CODES, RecoveryCodes
from web.events.node_messages import NODE_LINK
from web.events.presence import PRESENCE
from web.http.malformed import malformed
from web.http.metrics import METRICS
from web.http.middleware import BODY_LIMIT, dress, guard
from web.http.older_paths import tell_moved
from web.http.origin import ADDRESSES, Addresses
from web.http.problems import failures
from web.http.timeouts import STANDSTILL
from web.keys import CAPACITY, CONFIG, DB, NODE, SWITCHBOARD
from web.live.companion_session import COMPANIONS, CompanionSessions
from web.live.logbook import LOGBOOK, Logbook
from web.live.revocation import look_round, rounds
from web.logs.recent_warnings import recent_warnings
from web.logs.request_ids import tell_request_id
from web.media import media
from web.metrics.exposition import EXPOSITION, Exposition
from web.metrics.request_times import REQUEST_TIMES, RequestTimes, measured
from web.metrics.storage_figures import STORAGE_FIGURES, StorageFigures
from web.nodes.directory import DIRECTORY
from web.nodes.membership import MEMBERSHIP, NodeMembership
from web.nodes.records import NodeRecord
from web.operations import READINESS, Phase, Readiness, drain, own_samples
from web.pages import CLIENT, Client, answer_lost, tell_build
from web.recordings.archive import ARCHIVE, Archive
from web.recordings.object_store import ObjectStore
from web.recordings.recording_files import RECORDING_FILES, RecordingFiles
from web.recordings.stored_parts import in_s3
from web.recordings.tidying import TIDYING, Tidying
from web.recordings.transcoding import MADE, TRANSCODING, Transcoding
from web.recordings.trusted_time import TrustedClock
from web.recordings.uploads import Uploads
from web.routes import add_routes
from workers.disk_room import MB, DiskRoom

DATABASE = "hushcast.db"
CLIENT_FOLDER = Path(__file__).parent / "client"


def place_of(config: Config) -> Path | str:
    """Where the rows are: a PostgreSQL database, or a file in the storage folder."""
    return config.database.url or config.storage.path / DATABASE


Wiring = Callable[[web.Application], AsyncIterator[None]]


def make_app(config: Config, media: Wiring = media) -> web.Application:
    """The whole application, not started. media: sets SWITCHBOARD, DENOISERS and PRESENCE; tests have another. Raises ConfigError."""
    # aiohttp-session uses text keys, of which aiohttp warns at every start.
    warnings.filterwarnings("ignore", category=web.NotAppKeyWarning, module="aiohttp_session")
    app = web.Application(
        middlewares=[measured, dress, failures, tell_moved, guard, answer_lost, session_middleware(LoginStorage())],
        client_max_size=BODY_LIMIT,
    )
    app[CONFIG], app[CLIENT] = config, Client(CLIENT_FOLDER, config.http.modules)
    app[ADDRESSES], app[RATE_LIMIT], app[READINESS] = Addresses(config.http), RateLimit(), Readiness()
    app[STANDSTILL] = StandstillDetector()
    app[DOWNLOADS] = Downloads()
    app[METRICS] = [own_samples(app)]
    app[REQUEST_TIMES] = RequestTimes()
    app[EXPOSITION] = Exposition(app[METRICS])
    if config.redis.url:
        app[MEMBERSHIP] = app[NODE_LINK] = membership = NodeMembership(config, lambda record: _as_now(app, record))
        app[DIRECTORY] = membership.directory
        app[RATE_LIMIT] = RateLimit(shared=membership.limits)
        app[METRICS].append(membership.samples)
    add_routes(app)
    if config.node.url:
        from web.signalling import wiring  # here: one server alone does not load it

        wiring.prepare(app, config.node)
    app.cleanup_ctx.extend(
        [recent_warnings, malformed, _standstill, _database, _claims, _passwords, _recordings, media, _companions, rounds, _nodes, _phases]
    )
    app.on_response_prepare.extend([tell_build, tell_request_id])
    app.on_shutdown.append(drain)
    return app


async def _standstill(app: web.Application) -> AsyncIterator[None]:
    """Notices when the process did not run. First, for later parts tell silence from a standstill by it."""
    with app[STANDSTILL]:
        yield


async def _database(app: web.Application) -> AsyncIterator[None]:
    async with Database(place_of(app[CONFIG])) as database:
        app[DB], app[LATELY] = database, Lately(database, remembers=bool(app[CONFIG].database.url))
        database.reading.took, database.writing.took = (each.observe for each in app[REQUEST_TIMES].database.values())
        app[STORAGE_FIGURES] = StorageFigures(database, app[CONFIG].storage.path)
        yield


async def _claims(app: web.Application) -> AsyncIterator[None]:
    storage, secret = app[CONFIG].storage.path, app[CONFIG].node.secret
    app[CLAIMS] = await Claims.opened(app[DB], storage, secret)
    app[LINK_SECRETS] = await LinkSecrets.opened(storage, secret)
    app[RECOVERY_CODES] = await RecoveryCodes.opened(storage, secret)
    yield


async def _passwords(app: web.Application) -> AsyncIterator[None]:
    app[PASSWORDS] = await asyncio.to_thread(Passwords)
    yield
    await app[PASSWORDS].close()


async def _recordings(app: web.Application) -> AsyncIterator[None]:
    """The parts for recordings. Before the media plane, which finishes its recordings when it closes."""
    storage, settings, floor_mb = app[CONFIG].storage.path, app[CONFIG].recording, app[CONFIG].storage.floor_mb
    room = DiskRoom(storage, floor_mb * MB)
    clock = TrustedClock(await app[DB].read(known_time.newest))
    async with AsyncExitStack() as opening:
        node = app.get(NODE, "")
        app[LOGBOOK] = logbook = await opening.enter_async_context(Logbook(app[DB], storage, settings, node, app.get(MEMBERSHIP)))
        store = ObjectStore(app[CONFIG].storage.s3_url) if app[CONFIG].storage.s3_url else None
        wanted = asyncio.Event() if store else None  # something is to be sent to S3, or to be deleted there
        archive = Archive(app[DB], storage, settings, floor_mb, going_on=logbook.going_on, node=node, fence=app.get(MEMBERSHIP))
        archive.elsewhere = wanted
        app[RECORDING_FILES] = files = RecordingFiles(app[DB], storage, room, store)
        if store is not None:
            archive.parts.using = files.using
            archive.parts.sources.append(in_s3(app[DB], files))
        for each in logbook.found:
            if each.tape is not None:
                archive.epochs.begun(each.tape[0], each.snapshot.tape)
        app[ARCHIVE] = await opening.enter_async_context(archive)
        app[TRANSCODING] = await opening.enter_async_context(Transcoding(storage / MADE, room))
        if store is not None and wanted is not None:
            uploads = await opening.enter_async_context(Uploads(app[DB], storage, node, room, store, files, wanted))
            app[METRICS].append(uploads.samples)
        app[TIDYING] = await opening.enter_async_context(Tidying(app[DB], archive, settings, clock))
        yield


async def _companions(app: web.Application) -> AsyncIterator[None]:
    """The companion sessions; closing stops their timers."""
    store = app[MEMBERSHIP].companions if MEMBERSHIP in app else None
    secret = app[CONFIG].node.secret
    app[COMPANIONS] = await CompanionSessions.opened(app[DB], app[PRESENCE], app[CONFIG].storage.path, store, secret)
    yield
    app[COMPANIONS].close()


async def _nodes(app: web.Application) -> AsyncIterator[None]:
    """Among other servers, where there are any. After all that others may ask for."""
    async with AsyncExitStack() as opening:
        if MEMBERSHIP in app:
            parts = app[DB], app[SWITCHBOARD], app[PRESENCE]
            await opening.enter_async_context(app[MEMBERSHIP].joined(*parts, lambda: look_round(app)))
        if NODE in app:
            from web.signalling.wiring import signalling

            await opening.enter_async_context(signalling(app))
        yield


def _as_now(app: web.Application, record: NodeRecord) -> NodeRecord:
    """This server's record with how it is now."""
    capacity, switchboard = app[CAPACITY], app[SWITCHBOARD]
    serving = app[READINESS].phase is not Phase.DRAINING
    return msgspec.structs.replace(
        record,
        state="serving" if serving else "draining",
        load=min(1.0, capacity.taken / (FULL * capacity.cores)),
        broadcasts=len(switchboard.tapes),
        listeners=switchboard.listeners,
    )


async def leave(app: web.Application, at_once: asyncio.Event) -> None:
    """Before the end: what is on air goes on at the other servers, where there are any. at_once: do not wait for that any longer."""
    app[READINESS].phase = Phase.DRAINING
    if NODE in app:
        from web.signalling import leaving

        await leaving.leave(app, app[CONFIG].node.leave_s, at_once)


async def _phases(app: web.Application) -> AsyncIterator[None]:
    """Last: the server is ready when everything is open, and drains before anything closes."""
    app[READINESS].phase = Phase.READY
    app[SWITCHBOARD].await_returns()
    yield
    app[READINESS].phase = Phase.DRAINING
