"""Broadcasts at other nodes, as they are told here: one socket a pair of node and broadcaster, shared by all who watch here.

It opens with the first who watches and closes with the last; where the broadcast moves to another node, or the socket breaks, another one
opens. What comes over it are the messages of the broadcaster's own stream socket: states with names, levels, cues and the end.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from aiohttp import WSMsgType, hdrs, web

from db.tables import User
from sfu.tasks import start_task
from web.errors import NodeAway
from web.events.elsewhere import Status
from web.events.presence import PRESENCE
from web.events.socket_messages import BroadcastEnded, envelope_of
from web.events.stream_status import StreamStatus
from web.http.metrics import Sample
from web.http.responses import shaped
from web.http.route import JSON
from web.keys import SWITCHBOARD
from web.nodes.directory import DIRECTORY
from web.nodes.peers import body_within
from web.nodes.signed_requests import Question
from web.signalling.owners import node_with
from web.signalling.proxying import NODE_CLIENT, of_this_node

logger = logging.getLogger(__name__)

RETRY_S = 0.25  # after a socket that broke or did not open; twice as long each time
LONGEST_RETRY_S = 2.0
FIRST_S = 1.0  # until the first status; after it what the directory has is shown
SILENT_S = 2.0  # of a live broadcast levels come ten times a second
END_S = 15.0  # of another one, also between the state `ended` and the message `ended`: files are closed meanwhile
MOST_BYTES = 1024 * 1024  # of a hundred statuses, each with a thousand names at the most
STREAM, STATUSES, CUE = "/node/stream/", "/node/statuses", "/node/cue"


class Known(NamedTuple):
    """A status, and the monotonic time when it came."""

    status: Status
    at_s: float


class Feed:
    """One broadcaster who is watched here. While the broadcast is at another node a task holds the socket to that."""

    def __init__(self) -> None:
        self.watchers = 0
        self.known: Known | None = None
        self.is_coming = False
        self.is_over = False  # the end has been told
        self.moved = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class StreamFeeds:
    """Implements `web.events.elsewhere.Elsewhere`. Owns the feeds and their tasks: one for each broadcaster who is watched here."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._feeds: dict[str, Feed] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._opened = self._broken = self._ignored = 0

    async def __aenter__(self) -> Self:
        directory = self._app[DIRECTORY]
        before = directory.on_changed

        def changed(username: str) -> None:
            before(username)
            self._moved(username)

        directory.on_changed = changed
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for username in list(self._feeds):
            self._close(username)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def samples(self) -> Iterable[Sample]:
        """For /metrics."""
        open_now = sum(feed.known is not None for feed in self._feeds.values())
        yield Sample("hushcast_node_sockets", "gauge", "Broadcasts at other nodes that are followed for watchers here.", open_now)
        yield Sample("hushcast_node_sockets_total", "counter", "Sockets opened to other nodes.", self._opened)
        yield Sample("hushcast_node_sockets_broken_total", "counter", "Sockets to other nodes that broke or did not open.", self._broken)

    # --- who watches

    def watched(self, username: str) -> None:
        """One more follows this broadcaster."""
        feed = self._feeds.setdefault(username, Feed())
        feed.watchers += 1
        self._begin(username, feed)

    def unwatched(self, username: str) -> None:
        """One fewer."""
        feed = self._feeds.get(username)
        if feed is not None:
            feed.watchers -= 1
            if feed.watchers <= 0:
                self._close(username)

    def moved(self, username: str) -> None:
        """What was here goes on at another node."""
        self._moved(username)

    def is_coming(self, username: str) -> bool:
        """Whether the other node has been asked and has not told a status yet."""
        return username in self._feeds and self._feeds[username].is_coming

    # --- what is known

    def status(self, username: str) -> Status | None:
        """As the other node has told it, else as the directory has it; None: the broadcast is at no other node."""
        if self._app[SWITCHBOARD].holds(username):
            return None
        feed = self._feeds.get(username)
        return _aged(feed.known) if feed is not None and feed.known is not None else self._by_directory(username)

    async def statuses(self, usernames: Collection[str]) -> Mapping[str, Status]:
        """As the other nodes tell them now, each asked once; of one that does not answer, as the directory has them."""
        at: dict[str, list[str]] = {}
        for username in usernames:
            if (node := node_with(self._app, username)) is not None:
                at.setdefault(node, []).append(username)
        answers = await asyncio.gather(*(self._asked(node, names) for node, names in at.items()))
        told = {username: status for answer in answers for username, status in answer.items()}
        missing = [username for names in at.values() for username in names if username not in told]
        return told | {username: status for username in missing if (status := self._by_directory(username)) is not None}

    async def _asked(self, node: str, usernames: list[str]) -> dict[str, Status]:
        target = f"{STATUSES}?{urlencode({'users': ','.join(usernames)})}"
        try:
            asking = self._app[NODE_CLIENT].asked(node, Question(hdrs.METH_GET, target), of_this_node(self._app))
            async with asking as answer, asyncio.timeout(FIRST_S):
                found = msgspec.json.decode(await body_within(answer, MOST_BYTES), type=list[dict[str, Any]])
            return {str(each["username"]): each for each in found if shaped(StreamStatus, each).username in usernames}
        except (NodeAway, msgspec.MsgspecError, aiohttp.ClientError, TimeoutError) as error:
            logger.debug("the statuses at %s are not known: %s", node, error)
            return {}

    def _by_directory(self, username: str) -> Status | None:
        air = self._app[DIRECTORY].elsewhere(username)
        if air is None:
            return None
        status = self._app[SWITCHBOARD].status(username, names=True)  # of nothing here: the fields that nobody knows
        known = {"live": True, "state": air.state, "broadcast": air.broadcast, "title": air.title, "since": air.since}
        return {**status, **known, "listener_names": []}  # `node` stays empty: how it cleans is not known, so nobody shall move there yet

    # --- what is done there

    async def mute(self, user_id: int, username: str, muted: bool) -> bool:
        """By the command that the broadcaster's page has, too."""
        body = msgspec.json.encode({"muted": muted})
        return await self._done(user_id, username, "/api/stream/mute", body)

    async def cue(self, user_id: int, username: str, at_s: float, kind: Literal["chord", "practice"], text: str) -> bool:
        """To the node that has the listeners and the recording."""
        body = msgspec.json.encode({"at_s": at_s, "kind": kind, "text": text})
        return await self._done(user_id, username, CUE, body)

    async def _done(self, user_id: int, username: str, target: str, body: bytes) -> bool:
        node = node_with(self._app, username)
        if node is None:
            return False
        relayed = of_this_node(self._app, User(id=user_id, username=username))
        headers: dict[str, str] = {hdrs.CONTENT_TYPE: JSON}
        try:
            async with self._app[NODE_CLIENT].asked(node, Question(hdrs.METH_POST, target, body), relayed, headers):
                return True
        except NodeAway:
            return True  # it was that node's to do; nobody else can

    # --- the sockets

    def _moved(self, username: str) -> None:
        """The directory says that a broadcast has begun, moved or ended at another node."""
        if (feed := self._feeds.get(username)) is not None:
            feed.moved.set()
            self._begin(username, feed)

    def _begin(self, username: str, feed: Feed) -> None:
        if feed.task is None and node_with(self._app, username) is not None:
            feed.is_coming = True
            feed.task = start_task(self._follow(username, feed), name="feed of a broadcast at another node")

    def _close(self, username: str) -> None:
        task = self._feeds.pop(username).task
        if task is not None:
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _follow(self, username: str, feed: Feed) -> None:
        """Until the broadcast is at no other node."""
        try:
            await self._follow_on(username, feed)
        finally:  # whatever has happened, the next news begins it again
            feed.task = None
        self._forget(username, feed)

    async def _follow_on(self, username: str, feed: Feed) -> None:
        wait_s = RETRY_S
        while (node := node_with(self._app, username)) is not None:
            feed.moved.clear()
            try:
                await self._receive(username, feed, node)
                wait_s = RETRY_S
            except (NodeAway, aiohttp.ClientError, OSError):  # TimeoutError is an OSError
                self._broken += 1
            if feed.known is not None and not feed.is_over and node_with(self._app, username) == node:
                self._app[PRESENCE].lost_sight(username)
            self._forget(username, feed)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await feed.moved.wait()
            wait_s = min(2 * wait_s, LONGEST_RETRY_S)

    async def _receive(self, username: str, feed: Feed, node: str) -> None:
        """Until the socket ends, or the broadcast is elsewhere. Raises NodeAway, and what the client raises.

        The directory may say sooner than the socket that the broadcast has ended; what is on its way is waited for.
        """
        path = STREAM + quote(username, safe="")
        async with self._app[NODE_CLIENT].socket(node, path, of_this_node(self._app)) as socket:
            self._opened += 1
            limit_s = FIRST_S
            while not self._has_left(username, feed, node):
                try:
                    message = await socket.receive(timeout=limit_s)
                except TimeoutError:
                    if limit_s != END_S or node_with(self._app, username) != node:
                        raise
                    continue  # it is parked, and nothing happens; the heartbeat says whether the node is there
                if message.type is not WSMsgType.TEXT:
                    return
                self._take(username, feed, message.data)
                limit_s = SILENT_S if feed.known is not None and feed.known.status["state"] == "live" else END_S

    def _has_left(self, username: str, feed: Feed, node: str) -> bool:
        now_at = node_with(self._app, username)
        return now_at != node and (now_at is not None or feed.is_over)

    def _take(self, username: str, feed: Feed, text: str) -> None:
        try:
            said = envelope_of(text)
            if said.type == StreamStatus.type:
                shaped(StreamStatus, said.data)
        except (ValueError, msgspec.MsgspecError):
            self._ignored += 1
            return
        if said.type == StreamStatus.type:
            feed.known, feed.is_coming = Known(said.data, time.monotonic()), False
            self._app[PRESENCE].on_status(username)
            feed.is_over = feed.is_over and not said.data["live"]
        else:
            feed.is_over = feed.is_over or said.type == BroadcastEnded.type
            self._app[PRESENCE].relay(username, said.type, text)

    def _forget(self, username: str, feed: Feed) -> None:
        """What was known is old now; who waits for the first status gets what the directory has."""
        if feed.is_coming or (feed.known is not None and feed.known.status["live"]):
            self._app[PRESENCE].on_status(username)
        feed.known, feed.is_coming = None, False


def _aged(known: Known) -> Status:
    """A status as it is now: the broadcast has gone on since it came."""
    if not known.status["live"]:
        return known.status
    return {**known.status, "duration_s": known.status["duration_s"] + time.monotonic() - known.at_s}
