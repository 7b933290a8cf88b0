"""What hangs on the application, and the one thing that the doors want of the media plane."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from db.connection import Database
from sfu.config.schema import Config
from sfu.standstill import Awake

if TYPE_CHECKING:
    from sfu.broadcast.switchboard import Switchboard
    from sfu.net.media_port import MediaSockets
    from web.accounts.claims import Claims
    from web.auth.passwords import Passwords
    from web.auth.rate_limit import RateLimit
    from web.denoisers.catalogue import DenoiserCatalogue
    from web.events.presence import Presence
    from web.http.announced import Announced
    from web.http.origin import Addresses
    from web.live.companion_session import CompanionSessions
    from web.live.logbook import Logbook
    from web.live.self_test import SelfTests
    from web.operations import Readiness, Samples
    from web.recordings.archive import Archive
    from web.recordings.transcoding import Transcoding


class Air(Protocol):
    """Who is on air: the switchboard as accounts, friends and sockets see it. Names are as the accounts spell them."""

    def live_since(self, username: str) -> datetime | None:
        """Since when that user is live; None: not live."""

    def status(self, username: str, *, names: bool) -> dict[str, Any]:
        """The status of the interface description; `names`: with listener_names."""

    async def stop(self, username: str) -> int | None:
        """End the broadcast; its recording's id. Raises NotLive."""

    def people(self) -> set[str]:
        """Who sends or hears something now."""

    async def clear(self, username: str) -> None:
        """End all that user sends and hears."""

    async def drop_listener(self, broadcaster: str, listener: str) -> None:
        """End what `listener` hears of `broadcaster`, if anything."""


CONFIG = web.AppKey("CONFIG", Config)
AWAKE = web.AppKey("AWAKE", Awake)
DB = web.AppKey("DB", Database)
SWITCHBOARD: web.AppKey["Switchboard"] = web.AppKey("SWITCHBOARD")
MEDIA_SOCKETS: web.AppKey["MediaSockets"] = web.AppKey("MEDIA_SOCKETS")
DENOISERS: web.AppKey["DenoiserCatalogue"] = web.AppKey("DENOISERS")
ARCHIVE: web.AppKey["Archive"] = web.AppKey("ARCHIVE")
LOGBOOK: web.AppKey["Logbook"] = web.AppKey("LOGBOOK")
TRANSCODING: web.AppKey["Transcoding"] = web.AppKey("TRANSCODING")
PRESENCE: web.AppKey["Presence"] = web.AppKey("PRESENCE")
ANNOUNCED: web.AppKey["Announced"] = web.AppKey("ANNOUNCED")
CHECKUPS: web.AppKey["SelfTests"] = web.AppKey("CHECKUPS")
COMPANIONS: web.AppKey["CompanionSessions"] = web.AppKey("COMPANIONS")
CLAIMS: web.AppKey["Claims"] = web.AppKey("CLAIMS")
PASSWORDS: web.AppKey["Passwords"] = web.AppKey("PASSWORDS")
ATTEMPTS: web.AppKey["RateLimit"] = web.AppKey("ATTEMPTS")
ADDRESSES: web.AppKey["Addresses"] = web.AppKey("ADDRESSES")
READINESS: web.AppKey["Readiness"] = web.AppKey("READINESS")
METRICS: web.AppKey[list["Samples"]] = web.AppKey("METRICS")
CLIENT: web.AppKey[Path] = web.AppKey("CLIENT", Path)
