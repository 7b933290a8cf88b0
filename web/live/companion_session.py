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
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from db import companions
from db.connection import Database
from db.errors import Missing
from db.tables import CompanionSession, User, now
from web.auth.secret import digest, fresh, kept_key
from web.errors import CodeUnknown, NotAllowed, WrongCode
from web.events.channel import GOING_AWAY, NO_SUCH_THING, RATE, Channel
from web.events.message_rate import MessageRate
from web.events.presence import Presence
from web.events.socket_messages import text_of
from web.http.shapes import ServerMessage
from web.live.companion_messages import ConnectionUpdate, Desk
from web.nodes.companion_store import Change, CompanionStore

KEY = "keys/companions"  # from storage.path
MOST_OF_ONE = 8  # sessions of one user; one more ends the oldest
MOST_DEVICES = 16  # sockets of one session
MOST_PASSES = 64  # devices of one session that can reconnect; one more, and the oldest needs the code again


class ConnectedCompanions:
    """The devices of one companion session that are connected now."""

    def __init__(self, session: CompanionSession, presence: Presence, over: Callable[[], object], store: CompanionStore | None) -> None:
        """over: called when the session's time is over; store: tells the other servers, where there are any."""
        self.id, self.kind = str(session.id), str(session.kind)
        self.owner_id, self.username = session.user_id, session.user.username
        self.rate = MessageRate(RATE)  # shared by all devices: a message goes to all of them, and may become a chapter
        self._devices: set[Channel] = set()
        self._timer = asyncio.get_running_loop().call_later((session.expires_at - now()).total_seconds(), over)
        self._presence = presence
        self._store = store
        self._desk = self._shown(presence.watch(self.username, self._look))

    @property
    def is_full(self) -> bool:
        """Whether no more devices fit."""
        return self._count >= MOST_DEVICES

    @property
    def is_empty(self) -> bool:
        """Whether nobody is connected here."""
        return not self._devices

    def enter(self, device: Channel) -> None:
        """A device has connected; all are told, itself included. It is also told what the owner's broadcast does."""
        self._devices.add(device)
        self._changed("connected")
        device.send(self._desk)

    def leave(self, device: Channel) -> None:
        """A device has disconnected; the others are told."""
        self._devices.discard(device)
        self._changed("disconnected")

    def tell(self, message: ServerMessage) -> None:
        """Tell all devices, at whichever server."""
        text = text_of(message)
        self.hear(text)
        if self._store is not None:
            self._store.tell(self.id, text)

    def hear(self, text: str) -> None:
        """Tell the devices that are connected here."""
        for device in self._devices:
            device.send_text(text)

    def end(self, code: int = NO_SUCH_THING) -> None:
        """Close every device's socket."""
        self._timer.cancel()
        self._presence.unwatch(self.username, self._look)
        if self._store is not None:
            self._store.end(self.id)
        for device in self._devices:
            device.end(code)

    def _look(self, status: Mapping[str, Any]) -> None:
        """Something in the owner's status has changed; the devices are told what concerns them."""
        desk = self._shown(status)
        if desk != self._desk:
            self._desk = desk
            self.hear(text_of(desk))

    def _shown(self, status: Mapping[str, Any]) -> Desk:
        live = bool(status["live"])
        denoise = live and bool(status["denoise"]["enabled"])
        return Desk(live=live, muted=bool(status["muted"]), denoise=denoise, kind="remote" if self.kind == "remote" else "practice")

    def tell_connection(self, status: Change) -> None:
        """A device has come or gone, here or at another server: tell those here."""
        self.hear(text_of(ConnectionUpdate(status=status, user_id=self.owner_id, devices=self._count)))

    @property
    def _count(self) -> int:
        return len(self._devices) + (0 if self._store is None else self._store.elsewhere(self.id))

    def _changed(self, status: Change) -> None:
        self.tell_connection(status)
        if self._store is not None:
            self._store.count(self.id, len(self._devices), status, self._timer.when() - asyncio.get_running_loop().time())


class CompanionSessions:
    """All companion sessions. Each ends after 12 hours, with its owner's account, or when the owner has too many."""

    def __init__(self, database: Database, presence: Presence, key: bytes, store: CompanionStore | None) -> None:
        """presence: tells what changes in an owner's broadcast; key: what codes are made with; store: tells the other servers."""
        self._database = database
        self._presence = presence
        self._key = key
        self._store = store
        self._connected: dict[str, ConnectedCompanions] = {}
        if store is not None:
            store.on_text, store.on_devices = self._hear, self._count

    @classmethod
    async def opened(
        cls, database: Database, presence: Presence, storage: Path, store: CompanionStore | None = None, secret: str = ""
    ) -> "CompanionSessions":
        """With the key from the storage folder, which is made where it is missing; of several servers with that of their secret."""
        return cls(database, presence, await asyncio.to_thread(kept_key, storage / KEY, secret), store)

    async def open(self, owner: User, kind: str, write: Callable[..., Awaitable[Any]]) -> CompanionSession:
        """A new one. write: calls a function of `db/` with its arguments in one transaction, as `Database.run` does."""
        identity = secrets.token_urlsafe(9)
        code = digest(self._code(identity))
        session: CompanionSession
        session, ended = await write(companions.open_session, identity, owner.id, kind, code, MOST_OF_ONE)
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

    async def connected(self, session_id: str) -> ConnectedCompanions:
        """The connected devices of the session. The caller enters or leaves it before it awaits anything. Raises Missing."""
        while True:
            if self._store is not None and not self._store.knows(session_id):
                await self._store.begin(session_id)
            try:
                session = await self.find(session_id)  # after all that waits: it may have ended meanwhile
            except Missing:
                if self._store is not None and session_id not in self._connected:
                    self._store.end(session_id)
                raise
            if self._store is None or self._store.knows(session_id):
                break  # else its last device here has left meanwhile
        if session_id not in self._connected:
            over = partial(self._disconnect, [session_id])
            self._connected[session_id] = ConnectedCompanions(session, self._presence, over, self._store)
        return self._connected[session_id]

    def left(self, connected: ConnectedCompanions) -> None:
        """A device has left, or could not enter; after the last one only the rows are kept."""
        if connected.is_empty:
            connected.end()
            if self._connected.get(connected.id) is connected:
                del self._connected[connected.id]

    async def end(self, session: CompanionSession) -> None:
        """End one; twice does no harm."""
        await self._database.run(companions.remove, [str(session.id)])
        self._disconnect([str(session.id)])

    async def end_of(self, owner_id: int) -> None:
        """End all of a user's."""
        await self._database.run(companions.remove_of, owner_id)
        self._disconnect([connected.id for connected in self._connected.values() if connected.owner_id == owner_id])

    async def look_round(self) -> None:
        """Disconnect the devices of sessions whose rows are gone: accounts are deleted from the command line too."""
        if self._connected:
            self._disconnect(await self._database.read(companions.gone, list(self._connected)))

    def close(self) -> None:
        """The server ends: the devices are to come back."""
        for connected in list(self._connected.values()):
            connected.end(GOING_AWAY)

    def _disconnect(self, session_ids: Iterable[str]) -> None:
        for identity in session_ids:
            connected = self._connected.pop(identity, None)
            if connected is not None:
                connected.end()

    def _hear(self, session_id: str, text: str) -> None:
        if (connected := self._connected.get(session_id)) is not None:
            connected.hear(text)

    def _count(self, session_id: str, status: Change) -> None:
        if (connected := self._connected.get(session_id)) is not None:
            connected.tell_connection(status)

    def _code(self, session_id: str) -> str:
        return base64.urlsafe_b64encode(hmac.digest(self._key, session_id.encode(), hashlib.sha256)[:9]).decode()


COMPANIONS = web.AppKey("COMPANIONS", CompanionSessions)


def is_code(session: CompanionSession, code: str) -> bool:
    """Whether this is the session's code."""
    return hmac.compare_digest(digest(code), str(session.digest))
