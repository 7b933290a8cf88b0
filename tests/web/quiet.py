"""A media plane without broadcasts, for tests of all other parts of the web server."""

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any, NoReturn

from aiohttp import web

from sfu.errors import NotLive
from web.events.node_messages import NODE_LINK
from web.events.presence import PRESENCE, Presence
from web.http.announced import ANNOUNCED, Announced
from web.keys import PRIVATE_SWITCHBOARD, SWITCHBOARD

NO_TIME = {"p50": 0.0, "p99": 0.0}


class Quiet:
    """A switchboard without broadcasts."""

    def live_since(self, username: str) -> datetime | None:
        return None

    def status(self, username: str, *, names: bool) -> dict[str, Any]:
        return {
            "username": username,
            "live": False,
            "state": "ended",
            "broadcast": None,
            "title": None,
            "since": None,
            "duration_s": 0,
            "listeners": 0,
            "listener_names": [] if names else None,
            "denoise": {"enabled": True, "denoiser": "rnnoise", "state": "off", "reason": None, "strength_db": None},
            "latency_ms": {"algorithmic": 0, "ingest": NO_TIME, "worker": NO_TIME, "fanout": NO_TIME},
            "loss": {"received": 0, "lost": 0, "concealed": 0},
            "muted": False,
            "recording": {"id": None, "failed": None},
            "node": "",
            "leaving": False,
        }

    def recorded_from_s(self, username: str) -> float:
        return 0.0

    def answering(self, grant: str) -> AbstractContextManager[None]:
        return nullcontext()

    def hand_over(self, grant: str, successor: str) -> AbstractContextManager[None]:
        return nullcontext()

    def own(self, username: str) -> NoReturn:
        raise NotLive(conflict=True)

    def await_returns(self) -> None:
        pass

    async def stop(self, username: str) -> int | None:
        raise NotLive(conflict=True)

    grants: frozenset[str] = frozenset()

    async def revoke(self, grants: Collection[str]) -> None:
        pass

    def people(self) -> set[str]:
        return set()

    async def clear(self, username: str) -> None:
        pass

    async def drop_listener(self, broadcaster: str, listener: str) -> None:
        pass


async def quiet(app: web.Application) -> AsyncIterator[None]:
    """Stands in for `web.media.media`."""
    app[SWITCHBOARD], app[PRIVATE_SWITCHBOARD], app[ANNOUNCED] = Quiet(), Quiet(), Announced(())
    app[PRESENCE] = Presence(app[SWITCHBOARD], others=app.get(NODE_LINK))
    yield
    app[PRESENCE].end_all()
