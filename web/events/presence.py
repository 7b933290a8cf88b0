"""Who is told what, at once: friends about being live, the ears of a broadcast about its state.

Everything here is in memory and on the loop; nothing waits. Names are as the accounts spell them.
"""

import asyncio
import math
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from aiohttp import web

from sfu.broadcast.switchboard import Switchboard
from sfu.errors import TooMany
from web.events.channel import GOING_AWAY, NOT_ALLOWED, NOT_SIGNED_IN, TOO_MANY, Channel, message
from web.events.message_rate import MessageRate
from web.http.fair_shares import FairShares, Words, connections
from web.http.metrics import Sample
from web.http.responses import stamp

PART = 3 / 4  # of the connections at the front doors may be sockets, so that there is always room for a request
MOST_OF_ONE = 256  # of one user, all tabs and devices together; the next one is closed with 4429
RATE_OF_ONE = 200  # messages a second over all the sockets of one user
SOCKETS = Words("sockets", "open WebSockets", "You have too many sockets open.", "Too many sockets are open.")
STATUS_S = 0.02  # changes of a status within this are told as one


class Presence:
    """Knows every open socket; implements the media plane's News. The sockets are owned by their handlers."""

    def __init__(self, air: Switchboard, most: int | None = None) -> None:
        """most: sockets at once, of all users together."""
        self._air = air
        self._shares = FairShares(most or int(PART * connections()), MOST_OF_ONE, SOCKETS)
        self._own = Subscriptions()  # user -> presence sockets of that user
        self._watching = Subscriptions()  # user -> presence sockets of that user's friends
        self._ears = Subscriptions()  # broadcaster -> stream sockets
        self._open: set[Channel] = set()
        self._paces: WeakValueDictionary[str, MessageRate] = WeakValueDictionary()  # of each user with sockets, which own it
        self._due: dict[str, asyncio.TimerHandle] = {}

    # --- sockets come and go

    def join(self, channel: Channel, friends: Iterable[str]) -> None:
        """A presence socket: gets all_statuses, and what changes from now on."""
        names = list(friends)
        self._own.add(channel.username, channel)
        for name in names:
            self._watching.add(name, channel)
        channel.send("all_statuses", {"friends": [self.friend(name) for name in names]})

    def hear(self, channel: Channel, broadcaster: str) -> None:
        """A stream socket: gets the state, and what changes from now on."""
        self._ears.add(broadcaster, channel)
        channel.send("stream_state", self._status(broadcaster, channel))

    @contextmanager
    def kept(self, channel: Channel) -> Iterator[Channel]:
        """Any socket, from before it is accepted: it ends with its login and with the server, and at once where its user has enough.

        Where all have too many, the oldest of whoever has most ends (a guest is bounded by the pairing, and counts as one person here).
        """
        with ExitStack() as place:
            try:
                place.enter_context(self._shares.place(channel.username or channel, lambda: channel.end(TOO_MANY)))
            except TooMany:
                channel.end(TOO_MANY)
            if channel.username:
                channel.paces.append(self._paces.setdefault(channel.username, MessageRate(RATE_OF_ONE)))
            self._open.add(channel)
            try:
                yield channel
            finally:
                self._open.discard(channel)
                for places in (self._own, self._watching, self._ears):
                    places.leave(channel)

    def friend(self, username: str) -> dict[str, Any]:
        """A friend as the lists show one."""
        since = self._air.live_since(username)
        return {"username": username, "live": since is not None, "since": stamp(since)}

    @property
    def sockets(self) -> int:
        """How many are open."""
        return len(self._open)

    def samples(self) -> Iterable[Sample]:
        """For /metrics."""
        yield from self._shares.samples()

    # --- news from the media plane

    def on_live(self, username: str, since: datetime) -> None:
        """The first sound of a broadcast has come."""
        self._tell(self._watching, username, "streaming_status_update", {"username": username, "is_streaming": True, "since": stamp(since)})
        self.on_status(username)

    def on_ended(self, username: str, recording_id: int | None) -> None:
        """A broadcast is over."""
        self._tell(self._watching, username, "streaming_status_update", {"username": username, "is_streaming": False, "since": None})
        self._tell(self._ears, username, "ended", {"recording": recording_id})
        self.on_status(username)

    def on_status(self, username: str) -> None:
        """Something in the status has changed; many changes at once are told as one."""
        if self._ears.at(username) and username not in self._due:
            self._due[username] = asyncio.get_running_loop().call_later(STATUS_S, self._tell_status, username)

    def on_level(self, username: str, original_dbfs: float, denoised_dbfs: float) -> None:
        """Loudness of the last 100 ms; NaN: not known."""
        if self._ears.at(username):
            text = message("level", {"original_dbfs": _known(original_dbfs), "denoised_dbfs": _known(denoised_dbfs)})
            for channel in self._ears.at(username):
                channel.send_spare(text)

    def on_packet_time(self, username: str, packet_ms: int) -> None:
        """The broadcaster's page is to put so much sound into a packet; nobody else hears of it."""
        for channel in self._ears.at(username):
            if channel.username == username:
                channel.send("packet", {"ms": packet_ms})

    def cue(self, username: str, at_s: float, kind: str, text: str) -> None:
        """A mark in the broadcast, for its listeners."""
        self._tell(self._ears, username, "cue", {"at_s": at_s, "kind": kind, "text": text})

    # --- news from the accounts

    def asked(self, asked: str, request_id: int, asker: str) -> None:
        """Somebody asks for friendship."""
        self._tell(self._own, asked, "friend_request", {"id": request_id, "username": asker})

    def befriended(self, one: str, other: str) -> None:
        """Two have become friends; each learns at once whether the other is live."""
        for mine, theirs in ((one, other), (other, one)):
            for channel in self._own.at(mine):
                self._watching.add(theirs, channel)
            self._tell(self._own, mine, "friendship", {"username": theirs, "friends": True})
            since = self._air.live_since(theirs)
            if since is not None:
                update = {"username": theirs, "is_streaming": True, "since": stamp(since)}
                self._tell(self._own, mine, "streaming_status_update", update)

    def unfriended(self, one: str, other: str) -> None:
        """Two are no longer friends; their sockets at each other's streams end."""
        for mine, theirs in ((one, other), (other, one)):
            for channel in self._own.at(mine):
                self._watching.remove(theirs, channel)
            self._tell(self._own, mine, "friendship", {"username": theirs, "friends": False})
            for channel in self._ears.at(theirs):
                if channel.username == mine:
                    channel.end(NOT_ALLOWED)

    def logins(self) -> set[int]:
        """The logins that have sockets."""
        return {channel.login_id for channel in self._open if channel.login_id is not None}

    def signed_out(self, login_ids: Iterable[int]) -> None:
        """These logins have ended; so do their sockets."""
        ended = set(login_ids)
        for channel in self._open:
            if channel.login_id in ended:
                channel.end(NOT_SIGNED_IN)

    def end_all(self, code: int = GOING_AWAY) -> None:
        """Tell every socket to close."""
        for timer in self._due.values():
            timer.cancel()
        self._due.clear()
        for channel in self._open:
            channel.end(code)

    # --- helpers

    def _status(self, broadcaster: str, channel: Channel) -> dict[str, Any]:
        return self._air.status(broadcaster, names=channel.username == broadcaster)

    def _tell_status(self, username: str) -> None:
        self._due.pop(username, None)
        texts: dict[bool, str] = {}
        for channel in self._ears.at(username):
            own = channel.username == username
            if own not in texts:
                texts[own] = message("stream_state", self._status(username, channel))
            channel.send_text(texts[own])

    def _tell(self, places: "Subscriptions", username: str, kind: str, data: dict[str, Any]) -> None:
        text = message(kind, data)
        for channel in places.at(username):
            channel.send_text(text)


PRESENCE = web.AppKey("PRESENCE", Presence)


class Subscriptions:
    """Which sockets want to hear of which name; leaving costs what joining did, however many others there are."""

    def __init__(self) -> None:
        self._by_name: dict[str, set[Channel]] = {}
        self._by_channel: dict[Channel, set[str]] = {}

    def at(self, name: str) -> Collection[Channel]:
        """The sockets that want to hear of this name."""
        return self._by_name.get(name, ())

    def add(self, name: str, channel: Channel) -> None:
        self._by_name.setdefault(name, set()).add(channel)
        self._by_channel.setdefault(channel, set()).add(name)

    def remove(self, name: str, channel: Channel) -> None:
        if channel in self._by_name.get(name, ()):
            self._by_channel[channel].discard(name)
            self._by_name[name].discard(channel)
            if not self._by_name[name]:
                del self._by_name[name]

    def leave(self, channel: Channel) -> None:
        """Forget a socket under all names."""
        for name in list(self._by_channel.get(channel, ())):
            self.remove(name, channel)
        self._by_channel.pop(channel, None)

    def __len__(self) -> int:
        return len(self._by_name) + len(self._by_channel)


def _known(dbfs: float) -> float | None:
    return round(dbfs, 1) if math.isfinite(dbfs) else None
