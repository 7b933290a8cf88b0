"""A house in which nobody is ever live: what the doors see while there is no switchboard."""

from datetime import datetime
from typing import Any

from sfu.errors import NotLive

NO_TIME = {"p50": None, "p99": None}


class Quiet:
    """An Air without broadcasts."""

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
            "denoise": {"enabled": True, "denoiser": None, "state": "off", "reason": None, "strength_db": None},
            "latency_ms": {"algorithmic": 0, "ingest": NO_TIME, "worker": NO_TIME, "fanout": NO_TIME},
            "loss": {"received": 0, "lost": 0, "concealed": 0},
        }

    async def stop(self, username: str) -> int | None:
        raise NotLive(conflict=True)

    async def drop_listener(self, broadcaster: str, listener: str) -> None:
        pass
