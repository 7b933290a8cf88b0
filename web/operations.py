"""Health, readiness and metrics."""

import asyncio
import enum
import os
import time
from collections.abc import Iterable

from aiohttp import hdrs, web

from db.connection import Database
from db.errors import Unavailable
from sfu.errors import Draining, NotSignedIn
from web.auth.identity import current_user
from web.auth.rate_limit import RATE_LIMIT
from web.events.presence import PRESENCE
from web.http.metrics import Distribution, Sample, Samples
from web.http.origin import is_from_this_machine
from web.http.problems import TROUBLES, unavailable
from web.keys import DB
from web.metrics.exposition import EXPOSITION
from web.metrics.request_times import REQUEST_TIMES
from web.metrics.storage_figures import STORAGE_FIGURES
from web.nodes.membership import MEMBERSHIP
from web.recordings.recording_files import RECORDING_FILES
from web.recordings.transcoding import TRANSCODING

CHECK_S = 1.0


class Phase(enum.Enum):
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class Readiness:
    """The phase of the server's life, which only moves forward."""

    def __init__(self) -> None:
        self.phase = Phase.STARTING
        self.started = time.monotonic()
        self.asked = False  # /readyz has been requested: a load balancer relies on it
        self._trouble: Unavailable | None = None
        self._checked = -CHECK_S

    async def trouble(self, database: Database) -> Unavailable | None:
        """Why the database cannot be read or written, None where it can; checked at most once a second."""
        if time.monotonic() - self._checked >= CHECK_S:
            self._checked = time.monotonic()
            try:
                await database.check()
                self._trouble = None
            except Unavailable as trouble:
                self._trouble = Unavailable(trouble.code, trouble.cause)
        return self._trouble


READINESS = web.AppKey("READINESS", Readiness)


async def healthz(request: web.Request) -> web.Response:
    """Alive: the event loop runs."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """Ready for clients; 503 while starting or draining, and when the database cannot be written. Raises Draining."""
    request.app[READINESS].asked = True
    if request.app[READINESS].phase is not Phase.READY:
        raise Draining(f"The server is {request.app[READINESS].phase.value}.", retry_after_s=1)
    trouble = await request.app[READINESS].trouble(request.app[DB])
    if trouble is not None:
        return unavailable(trouble, 503)
    troubles = (request.app[MEMBERSHIP].trouble if MEMBERSHIP in request.app else None, request.app[RECORDING_FILES].trouble)
    missing = "; ".join(filter(None, troubles))
    return web.Response(text=f"ready, but {missing}\n" if missing else "ready\n")


async def metrics(request: web.Request) -> web.Response:
    """Metrics in Prometheus' text format, for a token with that scope, or from this machine without a proxy."""
    if hdrs.AUTHORIZATION in request.headers:
        await current_user(request, "metrics")
    elif not is_from_this_machine(request):
        raise NotSignedIn("These figures are for a token with the scope metrics.")
    await request.app[STORAGE_FIGURES].refresh()
    body = await request.app[EXPOSITION].text()
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: "text/plain; version=0.0.4; charset=utf-8"})


def own_samples(app: web.Application) -> Samples:
    """The metrics of this application itself."""

    def samples() -> Iterable[Sample | Distribution]:
        yield Sample("hushcast_up_seconds", "gauge", "Time since the start.", time.monotonic() - app[READINESS].started)
        yield Sample("hushcast_ready", "gauge", "1 where the server is ready and the database could be used last, else 0.", is_ready(app))
        yield from database_samples(app[DB])
        yield Sample("hushcast_login_failures_total", "counter", "Wrong passwords.", app[RATE_LIMIT].failures)
        yield from app[REQUEST_TIMES].samples()
        yield from app[STORAGE_FIGURES].samples()
        yield from app[PRESENCE].samples()
        yield from app[TRANSCODING].samples()
        yield Sample("hushcast_tasks", "gauge", "Tasks of the event loop.", len(asyncio.all_tasks()))
        yield Sample("process_cpu_seconds_total", "counter", "CPU time of the server process.", sum(os.times()[:2]))

    return samples


def is_ready(app: web.Application) -> bool:
    """Whether clients can be served, as far as is known without asking the database."""
    well = app[DB].reading.trouble is None and app[DB].writing.trouble is None
    return app[READINESS].phase is Phase.READY and well


def database_samples(database: Database) -> Iterable[Sample]:
    """Counters of queries that the database has refused."""
    for deed, standing in (("read", database.reading), ("write", database.writing)):
        for code, count in {**dict.fromkeys(TROUBLES, 0), **standing.refused}.items():
            yield Sample("hushcast_database_refused_total", "counter", "Questions refused.", count, {"deed": deed, "code": code})
    stale = "Writes refused because another server had taken the broadcast over."
    yield Sample("hushcast_stale_writes_total", "counter", stale, database.stale_writes)


async def drain(app: web.Application) -> None:
    """Begin the shutdown: /readyz answers 503, every socket is closed. May be called twice."""
    app[READINESS].phase = Phase.DRAINING
    app[PRESENCE].end_all()
