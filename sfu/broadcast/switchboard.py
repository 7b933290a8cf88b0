"""Every broadcast of this server: publish, find, subscribe, close all."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from types import TracebackType

from sfu.broadcast.broadcast import Broadcast
from sfu.broadcast.grants import Grant, Grants
from sfu.broadcast.media_session import Departed, MediaSession
from sfu.broadcast.moves import Moves
from sfu.broadcast.services import PublishOptions, Services, SubscribeOptions
from sfu.broadcast.snapshots import ResumableBroadcast
from sfu.broadcast.status import RATE_HZ, status_of
from sfu.denoise.catalogue import check_known
from sfu.errors import Draining, NotFound, NotLive
from sfu.fanout.listener import Listener
from sfu.peer.peer import Peer
from sfu.wire import sdp
from sfu.wire.candidates import Used
from sfu.wire.offer import parse_offer

logger = logging.getLogger(__name__)

RETRY_S = 2.0  # Retry-After for a broadcast that is not live

MakePeer = Callable[[sdp.Offer, sdp.Kind, int, Used, str], Peer]


class Switchboard:
    """Owns every broadcast, by its broadcaster's name, and the task that holds each open. All are closed at the end."""

    def __init__(self, services: Services, make_peer: MakePeer) -> None:
        self._services = services
        self._make_peer = make_peer
        self._broadcasts: dict[str, Broadcast] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._media_sessions: dict[str, MediaSession] = {}
        self._grants = Grants()
        self._draining = False
        self.moves = Moves(self._broadcasts, self._tasks, self._open)
        self._on_air = self.moves.on_air

    async def __aenter__(self) -> "Switchboard":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._draining = True
        for broadcast in self._broadcasts.values():
            broadcast.suspend()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    # restarts of the server

    async def restore(self, resumables: Iterable[ResumableBroadcast]) -> None:
        """Resume the broadcasts of the last run, before any client connects. One that cannot be resumed has ended."""
        for resumable in resumables:
            snapshot = resumable.snapshot
            try:
                broadcast = await self._open(snapshot.id, snapshot.username)
                await broadcast.restore(resumable)
            except Exception:
                logger.exception("%s: could not be resumed", snapshot.id)
                if (there := self._broadcasts.get(snapshot.username)) is not None:
                    there.over.set()
                await self._services.snapshots.forget(snapshot.id)  # otherwise every start would find it again
                continue
            if snapshot.media_session:
                self._media_sessions[snapshot.media_session] = MediaSession(
                    Departed(snapshot.media_session), broadcast, resumable.owner, Grant(snapshot.grant)
                )

    def await_returns(self, username: str | None = None) -> None:
        """The server is ready: the grace time of resumed broadcasts begins; of this user's alone, where it is one."""
        for broadcast in self._broadcasts.values() if username is None else filter(None, [self._broadcasts.get(username)]):
            broadcast.await_return()

    @property
    def tapes(self) -> set[str]:
        """The names under which the recordings of broadcasts on air are listed."""
        return {each.properties.tape for name, each in self._broadcasts.items() if self._on_air(name)}

    # publish

    async def publish(self, username: str, owner: str, offer: str, options: PublishOptions, used: Used, grant: Grant) -> Peer:
        """Reserve: answer a broadcaster's offer. It is live from its first authenticated packet of negotiated Opus.

        used: the address by which the client reached the web server; grant: see `answering`.

        Raises BadOffer, NoOpus, UnknownDenoiser, Draining, NotSignedIn, and NotLive if it was ended while it opened.
        """
        if self._draining:
            raise Draining()
        check_known(self._services.catalogue, options.denoiser)
        parsed = parse_offer(offer, "publish", red=True)
        grant.check()
        broadcast = await self._broadcast_of(username)
        if grant.revoked and broadcast.withdraw(peer_id=""):  # it was opened for this offer only
            await self._end(broadcast)
        grant.check()
        peer = self._make_peer(parsed, "publish", 0, used, owner)
        broadcast.offer(peer, options)
        self._media_sessions[peer.id] = MediaSession(peer, broadcast, owner, grant)
        return peer

    async def _broadcast_of(self, username: str) -> Broadcast:
        if (broadcast := await self.moves.standing(username)) is not None:
            return broadcast
        if self._draining:
            raise Draining()
        return await self._open(secrets.token_urlsafe(9), username)

    async def _open(self, identity: str, username: str) -> Broadcast:
        """Make a broadcast and the task that holds it open. Raises NotLive if it was ended meanwhile."""
        broadcast = Broadcast(identity, username, secrets.randbelow(2**32 - 1) + 1, self._services, self._forget, self._grant_of)
        self._broadcasts[username] = broadcast
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks[username] = asyncio.create_task(self._hold_open(broadcast, opened), name=f"broadcast {broadcast.id}")
        await opened
        if broadcast.over.is_set():
            raise NotLive("it was ended while it opened", conflict=True)
        return broadcast

    def _grant_of(self, identity: str) -> str:
        session = self._media_sessions.get(identity)
        return "" if session is None else session.grant.name

    def _forget(self, identity: str) -> None:
        self._media_sessions.pop(identity, None)

    async def _hold_open(self, broadcast: Broadcast, opened: asyncio.Future[None]) -> None:
        try:
            async with broadcast:
                if not opened.done():  # it is done if the waiting caller was cancelled
                    opened.set_result(None)
                await broadcast.over.wait()
        except Exception:
            logger.exception("%s: broke", broadcast.id)
        finally:
            if not opened.done():
                opened.set_exception(NotLive("the broadcast could not be opened"))
            for identity in [each for each, session in self._media_sessions.items() if session.broadcast is broadcast]:
                del self._media_sessions[identity]
            if self._broadcasts.get(broadcast.username) is broadcast:
                del self._broadcasts[broadcast.username]
                del self._tasks[broadcast.username]

    # subscribe

    async def subscribe(self, broadcaster: str, owner: str, offer: str, options: SubscribeOptions, used: Used, grant: Grant) -> Peer:
        """Answer a listener's offer. owner: who may change or end the media session; used: the address by which the client
        reached the web server; grant: see `answering`.

        Raises NotLive, BadOffer, NoOpus, Draining, NotSignedIn.
        """
        if self._draining:
            raise Draining()
        grant.check()
        parsed = parse_offer(offer, "subscribe", red=True)
        broadcast = self._on_air(broadcaster)
        if broadcast is None:
            raise NotLive(f"{broadcaster} is not live", retry_after_s=RETRY_S)
        peer = self._make_peer(parsed, "subscribe", broadcast.ssrc, used, owner)
        broadcast.audience.join(Listener(peer, options.variant, name=options.name), options.lasts_s)
        self._media_sessions[peer.id] = MediaSession(peer, broadcast, owner, grant)
        return peer

    # media sessions

    def media_session(self, identity: str, owner: str) -> MediaSession:
        """Return a media session of `owner`. Raises NotFound if it is gone or belongs to somebody else."""
        session = self._media_sessions.get(identity)
        if session is None or session.owner != owner:
            raise NotFound("no such resource")
        return session

    async def delete(self, identity: str, owner: str) -> None:
        """End a media session (DELETE); the source's is Stop. Raises NotFound the second time."""
        session = self.media_session(identity, owner)
        self._forget(identity)
        broadcast = session.broadcast
        if identity in broadcast.audience.listeners:
            await broadcast.audience.part(identity)
        elif broadcast.withdraw(identity):
            await self._end(broadcast)

    # the broadcaster's commands

    def own(self, username: str) -> Broadcast:
        """Raises NotLive (409) unless this user's broadcast is on air."""
        if (broadcast := self._on_air(username)) is None:
            raise NotLive("you are not live", conflict=True)
        return broadcast

    async def stop(self, username: str) -> int | None:
        """End the broadcast; the recording's id, or None. Raises NotLive."""
        return await self._end(self.own(username))

    async def _end(self, broadcast: Broadcast) -> int | None:
        task = self._tasks.get(broadcast.username)
        broadcast.over.set()
        if task is not None:
            await asyncio.wait({task})
        return broadcast.recording

    def park(self, username: str) -> None:
        """The page leaves. Does nothing if the user is not live."""
        if (broadcast := self._on_air(username)) is not None:
            broadcast.park()

    async def drop_listener(self, broadcaster: str, listener: str) -> None:
        """A friendship has ended: remove every listener of that person from that broadcast."""
        if (broadcast := self._broadcasts.get(broadcaster)) is not None:
            await broadcast.audience.drop(listener)

    async def clear(self, username: str) -> None:
        """The account is deleted: end its broadcast, or reservation, and remove all its listeners."""
        while (broadcast := self._broadcasts.get(username)) is not None:
            await self._end(broadcast)
        await asyncio.gather(*(self.drop_listener(each, username) for each in list(self._broadcasts)))

    # grants

    @property
    def grants(self) -> set[str]:
        """The names of all grants in use."""
        return {session.grant.name for session in self._media_sessions.values()}

    def answering(self, grant: str) -> AbstractContextManager[Grant]:
        """For `publish` and `subscribe`: enter before checking whether the grant is valid, leave when they have answered."""
        return self._grants.answering(grant)

    @contextmanager
    def hand_over(self, grant: str, successor: str) -> Iterator[None]:
        """Rename a grant for its media sessions and for offers being answered. Leave when the old grant is no longer valid."""
        with self._grants.passing(grant, successor, [session.grant for session in self._media_sessions.values()]):
            for broadcast in self._broadcasts.values():
                broadcast.snapshots.note()
            yield

    async def revoke(self, grants: Collection[str]) -> None:
        """Revoke these grants: end their media sessions, as DELETE does, and refuse the offers being answered."""
        self._grants.revoke(grants)
        gone = [(identity, each.owner) for identity, each in self._media_sessions.items() if each.grant.name in grants]
        await asyncio.gather(*(self._delete_if_there(*each) for each in gone))

    async def _delete_if_there(self, identity: str, owner: str) -> None:
        with suppress(NotFound):  # it may have ended with another one
            await self.delete(identity, owner)

    # status

    def status(self, username: str, *, names: bool) -> dict[str, object]:
        broadcast = self.moves.here(username)
        return status_of(broadcast, username, self._services.catalogue, names=names) | self.moves.told(broadcast, self._services.node)

    def recorded_from_s(self, username: str) -> float:
        """Where on the time line of the user's broadcast its recording begins."""
        broadcast = self._on_air(username)
        return broadcast.properties.origin / RATE_HZ if broadcast is not None else 0.0

    def people(self) -> set[str]:
        """The users who send or listen now, without users of listen links."""
        return set(self._broadcasts).union(*(broadcast.audience.people for broadcast in self._broadcasts.values()))

    def hearing(self) -> set[tuple[str, str]]:
        """(broadcaster, listener) of all who listen now, without the broadcasters themselves and users of listen links."""
        return {(name, person) for name, broadcast in self._broadcasts.items() for person in broadcast.audience.people - {name}}

    @property
    def broadcasts(self) -> Collection[Broadcast]:
        """All of them, reserved ones too."""
        return self._broadcasts.values()

    @property
    def listeners(self) -> int:
        """How many listeners there are, including those that still connect."""
        return sum(len(broadcast.audience.listeners) for broadcast in self._broadcasts.values())

    @property
    def media_sessions(self) -> int:
        """How many WHIP and WHEP sessions there are."""
        return len(self._media_sessions)

    def holds(self, username: str) -> bool:
        """Whether there is a broadcast of this user here, or one that waits for its first packet."""
        return (broadcast := self.moves.here(username)) is not None and not broadcast.over.is_set()

    def live_since(self, username: str) -> datetime | None:
        broadcast = self._on_air(username)
        return broadcast.properties.since if broadcast is not None else None

    def look_again(self) -> None:
        """A denoiser became available: each broadcast compares its request with its worker."""
        for broadcast in self._broadcasts.values():
            broadcast.worker.reconsider()
