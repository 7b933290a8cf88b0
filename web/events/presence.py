"""Tells open sockets what happens: presence sockets about friends, stream sockets about a broadcast.

Everything here is in memory, on the loop, and never waits. Usernames are spelled as in the accounts.
"""

import asyncio
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any, Literal
from weakref import WeakValueDictionary

from aiohttp import web

from sfu.broadcast.switchboard import Switchboard
from web.errors import TooMany
from web.events.channel import GOING_AWAY, NOT_ALLOWED, NOT_SIGNED_IN, TOO_MANY, Channel
from web.events.elsewhere import Elsewhere, NoElsewhere, Status, shown_to
from web.events.friend_sockets import FriendSockets
from web.events.message_rate import MessageRate
from web.events.node_messages import NodeLink, NoNodeLink, RightsOver
from web.events.socket_messages import (
    BroadcastEnded,
    CueMark,
    LevelUpdate,
    PacketTimeChange,
    text_of,
)
from web.events.stream_status import StreamStatus
from web.events.subscriptions import Subscriptions
from web.http.fair_shares import FairShares, Words, most_connections
from web.http.metrics import Sample
from web.http.responses import shaped
from web.http.shapes import ServerMessage

SOCKETS_SHARE = 3 / 4  # of the HTTP connections may be WebSockets, so that there is always room for requests
MOST_OF_ONE = 256  # sockets of one user, all tabs and devices together; one more is closed with 4429
RATE_OF_ONE = 200  # messages a second over all the sockets of one user
SOCKETS = Words("sockets", "open WebSockets", "You have too many sockets open.", "Too many sockets are open.")
STATUS_S = 0.02  # status changes within this time are sent as one message

Watcher = Callable[[Mapping[str, Any]], object]


class Presence:
    """Knows every open socket, and implements the media plane's `Events`. The handlers own the sockets."""

    def __init__(self, switchboard: Switchboard, most: int | None = None, others: NodeLink | None = None) -> None:
        """most: sockets at once, of all users together; others: the other servers, where there are any."""
        self.others = others or NoNodeLink()
        self._switchboard = switchboard
        self._shares = FairShares(most or int(SOCKETS_SHARE * most_connections()), MOST_OF_ONE, SOCKETS)
        self._by_broadcaster = Subscriptions()  # broadcaster -> stream sockets
        self.friends = FriendSockets(lambda username: switchboard.live_since(username), self._by_broadcaster, self.others)
        self._open: set[Channel] = set()
        self._ended_with: int | None = None  # the code with which all were closed; one that comes afterwards is closed at once
        self._rates: WeakValueDictionary[str, MessageRate] = WeakValueDictionary()  # by user; the user's sockets hold the references
        self._watchers: dict[str, list[Watcher]] = {}  # broadcaster -> what else follows the status
        self._due: dict[str, asyncio.TimerHandle] = {}
        self.elsewhere: Elsewhere = NoElsewhere()  # set where there are other servers

    # --- sockets open and close

    def join_stream(self, channel: Channel, broadcaster: str) -> None:
        """Subscribe a stream socket to the broadcaster, and send it the state; of a broadcast elsewhere once that is known."""
        self._by_broadcaster.add(broadcaster, channel)
        if not channel.is_shared:
            self.elsewhere.watched(broadcaster)
        if self._has_news(broadcaster, channel):
            channel.send(self._status(broadcaster, channel))

    def watch(self, broadcaster: str, watcher: Watcher) -> Status:
        """Call `watcher` with the status of this broadcaster's broadcast after each change, until `unwatch`. Returns the present one."""
        self._watchers.setdefault(broadcaster, []).append(watcher)
        self.elsewhere.watched(broadcaster)
        return self.status(broadcaster, own=False)

    def unwatch(self, broadcaster: str, watcher: Watcher) -> None:
        """End what `watch` began; twice does no harm."""
        watchers = self._watchers.get(broadcaster, [])
        if watcher in watchers:
            watchers.remove(watcher)
            self.elsewhere.unwatched(broadcaster)
        if not watchers:
            self._watchers.pop(broadcaster, None)

    @contextmanager
    def registered(self, channel: Channel, person: str = "") -> Iterator[Channel]:
        """Register a socket of any kind; enter before it is accepted. It is closed with its login, with the server, and at its limits.

        With too many sockets of one user the new one is closed; with too many of all, the oldest of the user who has most. person:
        who a socket without a login counts for; "": for itself (a companion session limits its devices).
        """
        with ExitStack() as place:
            try:
                place.enter_context(self._shares.place(channel.username or person or channel, lambda: channel.end(TOO_MANY)))
            except TooMany:
                channel.end(TOO_MANY)
            if channel.username:
                channel.rates.append(self._rates.setdefault(channel.username, MessageRate(RATE_OF_ONE)))
            self._open.add(channel)
            if self._ended_with is not None:
                channel.end(self._ended_with)
            try:
                yield channel
            finally:
                self._open.discard(channel)
                self.friends.leave(channel)
                for broadcaster in self._by_broadcaster.leave(channel):
                    if not channel.is_shared:
                        self.elsewhere.unwatched(broadcaster)

    @property
    def sockets(self) -> int:
        """How many are open."""
        return len(self._open)

    def samples(self) -> Iterable[Sample]:
        """For /metrics."""
        yield from self._shares.samples()

    # --- events of the media plane

    def on_live(self, username: str, since: datetime) -> None:
        """A broadcast has received its first packet."""
        self.friends.tell_live(username, since)
        self.on_status(username)

    def on_ended(self, username: str, recording_id: int | None) -> None:
        """A broadcast is over."""
        self.friends.tell_live(username)
        self._tell(username, BroadcastEnded(recording=recording_id))
        self.on_status(username)

    def on_status(self, username: str) -> None:
        """Something in the status has changed. Changes within STATUS_S become one message."""
        self.others.on_air(username)
        if (self._by_broadcaster.at(username) or username in self._watchers) and username not in self._due:
            self._due[username] = asyncio.get_running_loop().call_later(STATUS_S, self._tell_status, username)

    def on_level(self, username: str, original_dbfs: float, denoised_dbfs: float) -> None:
        """Loudness of the last 100 ms; NaN: not known."""
        if self._by_broadcaster.at(username):
            text = text_of(LevelUpdate(original_dbfs=_known(original_dbfs), denoised_dbfs=_known(denoised_dbfs)))
            for channel in self._by_broadcaster.at(username):
                channel.send_spare(text)

    def relay(self, username: str, kind: str, text: str) -> None:
        """Pass on a message about a broadcast at another node."""
        for channel in self._by_broadcaster.at(username):
            if kind == LevelUpdate.type:
                channel.send_spare(text)
            elif kind in (CueMark.type, BroadcastEnded.type) or (kind == PacketTimeChange.type and channel.username == username):
                channel.send_text(text)

    def lost_sight(self, username: str) -> None:
        """The node that has this broadcast tells nothing any more: pages look after it when their stream sockets close, and come again."""
        for channel in self._by_broadcaster.at(username):
            if not channel.is_shared:
                channel.end(GOING_AWAY)

    def on_packet_time(self, username: str, packet_ms: int) -> None:
        """Tell the broadcaster's own sockets to use this packet time."""
        for channel in self._by_broadcaster.at(username):
            if channel.username == username:
                channel.send(PacketTimeChange(ms=packet_ms))

    def on_given_up(self, username: str) -> None:
        """A broadcast goes on at another server: those who watch here are told by that one from now on."""
        self.elsewhere.moved(username)
        for channel in list(self._by_broadcaster.at(username)):
            if channel.is_shared:
                channel.end(GOING_AWAY)

    def cue(self, username: str, at_s: float, kind: Literal["chord", "practice"], text: str) -> None:
        """Tell the stream sockets of a mark in the broadcast."""
        self._tell(username, CueMark(at_s=at_s, kind=kind, text=text))

    # --- rights end

    def rights_over(self) -> None:
        """Logins, tokens, links, companion sessions or an account have ended: the other servers look round at once."""
        self.others.tell(RightsOver())

    def logins(self) -> set[int]:
        """The ids of the logins that have sockets."""
        return {channel.login_id for channel in self._open if channel.login_id is not None}

    def signed_out(self, login_ids: Iterable[int]) -> None:
        """Close the sockets of logins that have ended."""
        ended = set(login_ids)
        for channel in self._open:
            if channel.login_id in ended:
                channel.end(NOT_SIGNED_IN)

    def links(self) -> set[int]:
        """The listen links by which sockets hear broadcasts."""
        return {channel.link_id for channel in self._open if channel.link_id is not None}

    def heard_by(self) -> Mapping[str, set[str]]:
        """The users whose stream sockets are open, each with the broadcasters that they watch."""
        heard: dict[str, set[str]] = {}
        for broadcaster in self._by_broadcaster.names:
            for channel in self._by_broadcaster.at(broadcaster):
                if channel.username not in ("", broadcaster):
                    heard.setdefault(channel.username, set()).add(broadcaster)
        return heard

    def unlinked(self, link_ids: Collection[int]) -> None:
        """These listen links have ended; so do the sockets that hear by them."""
        for channel in self._open:
            if channel.link_id in link_ids:
                channel.end(NOT_ALLOWED)

    def end_all(self, code: int = GOING_AWAY) -> None:
        """Close every socket with this code, and each that still comes: the server ends."""
        self._ended_with = code
        for timer in self._due.values():
            timer.cancel()
        self._due.clear()
        for channel in self._open:
            channel.end(code)

    # --- sending

    def status(self, username: str, *, own: bool) -> Status:
        """The status of a broadcast at whichever server, as far as it is known here. own: with the listeners' names."""
        elsewhere = self.elsewhere.status(username)
        return self._switchboard.status(username, names=own) if elsewhere is None else shown_to(elsewhere, own=own)

    def _status(self, broadcaster: str, channel: Channel) -> StreamStatus:
        own = channel.username == broadcaster
        shared = channel.is_shared  # another node asks about what is here
        return shaped(StreamStatus, self._switchboard.status(broadcaster, names=own) if shared else self.status(broadcaster, own=own))

    def _has_news(self, broadcaster: str, channel: Channel) -> bool:
        """Whether the state can be told: to another node of what is here, or nowhere; to a client once another node has told it."""
        if channel.is_shared:
            return self.elsewhere.status(broadcaster) is None
        return not self.elsewhere.is_coming(broadcaster)

    def _tell_status(self, username: str) -> None:
        self._due.pop(username, None)
        texts: dict[tuple[bool, bool], str] = {}
        for channel in self._by_broadcaster.at(username):
            kind = (channel.username == username, channel.is_shared)
            if kind not in texts:
                texts[kind] = text_of(self._status(username, channel))
            channel.send_text(texts[kind])
        if username in self._watchers:
            status = self.status(username, own=False)
            for watcher in list(self._watchers[username]):
                watcher(status)

    def _tell(self, broadcaster: str, message: ServerMessage) -> None:
        text = text_of(message)
        for channel in self._by_broadcaster.at(broadcaster):
            channel.send_text(text)


PRESENCE = web.AppKey("PRESENCE", Presence)


def _known(dbfs: float) -> float | None:
    return round(dbfs, 1) if math.isfinite(dbfs) else None
