"""make_app(config): the one place where the parts meet. What is opened here is closed here, in reverse."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import web
from aiohttp_session import session_middleware

from db import known_time
from db.connection import Database
from sfu.config.schema import Config
from sfu.standstill import Awake
from web.accounts.claims import CLAIMS, Claims
from web.auth.downloads import DOWNLOADS, Downloads
from web.auth.identity import LoginStorage
from web.auth.passwords import PASSWORDS, Passwords
from web.auth.rate_limit import RATE_LIMIT, RateLimit
from web.http.malformed import malformed
from web.http.metrics import METRICS
from web.http.middleware import BODY_LIMIT, dress, guard
from web.http.origin import ADDRESSES, Addresses
from web.http.problems import failures
from web.http.timeouts import AWAKE
from web.keys import CONFIG, DB, SWITCHBOARD
from web.live.companion_session import COMPANIONS, CompanionSessions
from web.live.logbook import LOGBOOK, Logbook
from web.live.revocation import rounds
from web.media import media
from web.operations import READINESS, Phase, Readiness, drain, own_samples
from web.pages import CLIENT
from web.recordings.archive import ARCHIVE, Archive
from web.recordings.tidying import TIDYING, Tidying
from web.recordings.transcoding import MADE, TRANSCODING, Transcoding
from web.recordings.trusted_time import TrustedClock
from web.routes import add_routes
from workers.disk_room import MB, DiskRoom

DATABASE = "hushcast.db"
CLIENT_FOLDER = Path(__file__).parent / "client"


Wiring = Callable[[web.Application], AsyncIterator[None]]


def make_app(config: Config, media: Wiring = media) -> web.Application:
    """The whole server, not yet started; `media` puts SWITCHBOARD, DENOISERS and PRESENCE on it. Raises ConfigError."""
    # aiohttp-session keeps its two things under plain names, and aiohttp says so at every start.
    warnings.filterwarnings("ignore", category=web.NotAppKeyWarning, module="aiohttp_session")
    app = web.Application(middlewares=[dress, failures, guard, session_middleware(LoginStorage())], client_max_size=BODY_LIMIT)
    app[CONFIG], app[CLIENT] = config, CLIENT_FOLDER
    app[ADDRESSES], app[RATE_LIMIT], app[READINESS] = Addresses(config.http), RateLimit(), Readiness()
    app[AWAKE] = Awake()
    app[DOWNLOADS] = Downloads()
    app[METRICS] = [own_samples(app)]
    add_routes(app)
    app.cleanup_ctx.extend([malformed, _awake, _database, _claims, _passwords, _recordings, media, _companions, rounds, _phases])
    app.on_shutdown.append(drain)
    return app


async def _awake(app: web.Application) -> AsyncIterator[None]:
    """What tells a silence from a standstill: first, for whatever is opened later may judge one."""
    with app[AWAKE]:
        yield


async def _database(app: web.Application) -> AsyncIterator[None]:
    async with Database(app[CONFIG].storage.path / DATABASE) as database:
        app[DB] = database
        yield


async def _claims(app: web.Application) -> AsyncIterator[None]:
    app[CLAIMS] = await Claims.opened(app[DB], app[CONFIG].storage.path)
    yield


async def _passwords(app: web.Application) -> AsyncIterator[None]:
    app[PASSWORDS] = await asyncio.to_thread(Passwords)
    yield
    await app[PASSWORDS].close()


async def _recordings(app: web.Application) -> AsyncIterator[None]:
    """What was recorded: before the media plane, which hands its recordings over when it closes."""
    storage, settings, floor_mb = app[CONFIG].storage.path, app[CONFIG].recording, app[CONFIG].storage.floor_mb
    clock = TrustedClock(await app[DB].read(known_time.newest))
    async with AsyncExitStack() as opening:
        app[LOGBOOK] = logbook = await opening.enter_async_context(Logbook(app[DB], storage, settings))
        archive = Archive(app[DB], storage, settings, floor_mb, going_on=logbook.going_on)
        app[ARCHIVE] = await opening.enter_async_context(archive)
        app[TRANSCODING] = await opening.enter_async_context(Transcoding(storage / MADE, DiskRoom(storage, floor_mb * MB)))
        app[TIDYING] = await opening.enter_async_context(Tidying(app[DB], archive, settings, clock))
        yield


async def _companions(app: web.Application) -> AsyncIterator[None]:
    """Companion sessions; at the end their clocks are stopped."""
    app[COMPANIONS] = await CompanionSessions.opened(app[DB], app[CONFIG].storage.path)
    yield
    app[COMPANIONS].close()


async def _phases(app: web.Application) -> AsyncIterator[None]:
    """Ready when all else is open; what is opened last is closed first."""
    app[READINESS].phase = Phase.READY
    app[SWITCHBOARD].await_returns()
    yield
    app[READINESS].phase = Phase.DRAINING
