"""Companion sessions: devices such as a phone beside the PC, joined by a code. Sessions are rows; this module knows who is connected.

A restart ends no session: the owner returns with the login, devices with the cookie that holds their pass, new ones with the code. The
rows hold digests only. The code is derived from the session's id with a key in a file beside the database: so it can be shown again
after a restart, and a copy of the database alone is not enough to join.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from aiohttp import web

from db import companions
from db.connection import Database
from db.tables import CompanionSession, User, now
from sfu.errors import NotAllowed, Refused
from web.auth.secret import digest, fresh, kept_key
from web.events.channel import GOING_AWAY, NO_SUCH_THING, RATE, Channel, message
from web.events.message_rate import MessageRate
from web.http.shapes import Answer
from web.live.companion_messages import ConnectionUpdate

KEY = "keys/companions"  # from storage.path
MOST_OF_ONE = 8  # sessions of one user; one more ends the oldest
MOST_DEVICES = 16  # sockets of one session
MOST_PASSES = 64  # devices of one session that can reconnect; one more, and the oldest needs the code again


class WrongCode(Refused):
    """That is not the code."""

    status, code = 403, "wrong_code"


class CodeUnknown(Refused):
    """The code of this session was made with a key that is gone. The old link still works; or make a new session."""

    status, code = 409, "code_unknown"


class ConnectedCompanions:
    """The devices of one companion session that are connected now."""

    def __init__(self, session: CompanionSession, over: Callable[[], object]) -> None:
        """over: called when the session's time is over."""
        self.id, self.kind = str(session.id), str(session.kind)
        self.owner_id, self.username = session.user_id, session.user.username
        self.pace = MessageRate(RATE)  # shared by all devices: a message goes to all of them, and may become a chapter
        self._devices: set[Channel] = set()
        self._timer = asyncio.get_running_loop().call_later((session.expires_at - now()).total_seconds(), over)

    @property
    def is_full(self) -> bool:
        """Whether no more devices fit."""
        return len(self._devices) >= MOST_DEVICES

    @property
    def is_empty(self) -> bool:
        """Whether nobody is connected."""
        return not self._devices

    def enter(self, device: Channel) -> None:
        """A device has connected; all are told, itself included."""
        self._devices.add(device)
        self._tell_connection("connected")

    def leave(self, device: Channel) -> None:
        """A device has disconnected; the others are told."""
        self._devices.discard(device)
        self._tell_connection("disconnected")

    def tell(self, kind: str, told: Answer) -> None:
        """Tell all devices."""
        text = message(kind, msgspec.to_builtins(told))
        for device in self._devices:
            device.send_text(text)

    def end(self, code: int = NO_SUCH_THING) -> None:
        """Close every device's socket."""
        self._timer.cancel()
        for device in self._devices:
            device.end(code)

    def _tell_connection(self, status: Literal["connected", "disconnected"]) -> None:
        self.tell("connection_update", ConnectionUpdate(status=status, user_id=self.owner_id, devices=len(self._devices)))


class CompanionSessions:
    """All companion sessions. Each ends after 12 hours, with its owner's account, or when the owner has too many."""

    def __init__(self, database: Database, key: bytes) -> None:
        """key: what codes are made with."""
        self._database = database
        self._key = key
        self._connected: dict[str, ConnectedCompanions] = {}

    @classmethod
    async def opened(cls, database: Database, storage: Path) -> "CompanionSessions":
        """With the key from the storage folder, which is made where it is missing."""
        return cls(database, await asyncio.to_thread(kept_key, storage / KEY))

    async def open(self, owner: User, kind: str) -> CompanionSession:
        """A new one."""
        identity = secrets.token_urlsafe(9)
        code = digest(self._code(identity))
        session, ended = await self._database.run(companions.open_session, identity, owner.id, kind, code, MOST_OF_ONE)
        self._disconnect(ended)
        return session

    async def find(self, session_id: str) -> CompanionSession:
        """The session with that id, with its user. Raises Missing."""
        return await self._database.read(companions.find, session_id)

    async def own(self, session_id: str, owner: User) -> CompanionSession:
        """As find, for the owner's own session. Raises Missing, NotAllowed."""
        session = await self.find(session_id)
        if session.user_id != owner.id:
            raise NotAllowed
        return session

    def join_url(self, session: CompanionSession) -> str:
        """The path where another device joins. The code is in the fragment, which is in no server's log. Raises CodeUnknown."""
        code = self._code(str(session.id))
        if not is_code(session, code):
            raise CodeUnknown
        return f"/join/{session.id}#{code}"

    async def admit(self, session: CompanionSession, code: str) -> str:
        """A pass for a device that knows the code. Raises WrongCode, Missing."""
        if not is_code(session, code):
            raise WrongCode
        given = fresh()
        await self._database.run(companions.admit, str(session.id), digest(given), MOST_PASSES)
        return given

    async def is_pass(self, session: CompanionSession, given: Sequence[str]) -> bool:
        """Whether one of these is a pass for this session."""
        return bool(given) and await self._database.read(companions.is_pass, str(session.id), [digest(each) for each in given])

    def connected(self, session: CompanionSession) -> ConnectedCompanions:
        """The connected devices of the session. The caller enters or leaves it before it awaits anything."""
        identity = str(session.id)
        if identity not in self._connected:
            self._connected[identity] = ConnectedCompanions(session, lambda: self._disconnect([identity]))
        return self._connected[identity]

    def left(self, pairing: ConnectedCompanions) -> None:
        """A device has left, or could not enter; after the last one only the rows are kept."""
        if pairing.is_empty:
            pairing.end()
            if self._connected.get(pairing.id) is pairing:
                del self._connected[pairing.id]

    async def end(self, session: CompanionSession) -> None:
        """End one; twice does no harm."""
        await self._database.run(companions.remove, [str(session.id)])
        self._disconnect([str(session.id)])

    async def end_of(self, owner_id: int) -> None:
        """End all of a user's."""
        await self._database.run(companions.remove_of, owner_id)
        self._disconnect([pairing.id for pairing in self._connected.values() if pairing.owner_id == owner_id])

    async def look_round(self) -> None:
        """Disconnect the devices of sessions whose rows are gone: accounts are deleted from the command line too."""
        if self._connected:
            self._disconnect(await self._database.read(companions.gone, list(self._connected)))

    def close(self) -> None:
        """The server ends: the devices are to come back."""
        for pairing in list(self._connected.values()):
            pairing.end(GOING_AWAY)

    def _disconnect(self, session_ids: Iterable[str]) -> None:
        for identity in session_ids:
            pairing = self._connected.pop(identity, None)
            if pairing is not None:
                pairing.end()

    def _code(self, session_id: str) -> str:
        return base64.urlsafe_b64encode(hmac.digest(self._key, session_id.encode(), hashlib.sha256)[:9]).decode()


COMPANIONS = web.AppKey("COMPANIONS", CompanionSessions)


def is_code(session: CompanionSession, code: str) -> bool:
    """Whether this is the session's code."""
    return hmac.compare_digest(digest(code), str(session.digest))
