"""Who is told what, at once: friends about being live, the ears of a broadcast about its state.

Everything here is in memory and on the loop; nothing waits. Names are as the accounts spell them.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from web.answers import stamp
from web.channel import GOING_AWAY, NOT_ALLOWED, NOT_SIGNED_IN, Channel, message
from web.keys import Air

STATUS_S = 0.02  # changes of a status within this are told as one


class Presence:
    """Knows every open socket; implements the media plane's News. The sockets are owned by their handlers."""

    def __init__(self, air: Air) -> None:
        self._air = air
        self._own: defaultdict[str, set[Channel]] = defaultdict(set)  # user -> presence sockets of that user
        self._watching: defaultdict[str, set[Channel]] = defaultdict(set)  # user -> presence sockets of that user's friends
        self._ears: defaultdict[str, set[Channel]] = defaultdict(set)  # broadcaster -> stream sockets
        self._others: set[Channel] = set()  # sockets that are here only to be ended
        self._due: dict[str, asyncio.TimerHandle] = {}

    # --- sockets come and go

    def join(self, channel: Channel, friends: Iterable[str]) -> None:
        """A presence socket: gets all_statuses, and what changes from now on."""
        names = list(friends)
        self._own[channel.username].add(channel)
        for name in names:
            self._watching[name].add(channel)
        channel.send("all_statuses", {"friends": [self.friend(name) for name in names]})

    def hear(self, channel: Channel, broadcaster: str) -> None:
        """A stream socket: gets the state, and what changes from now on."""
        self._ears[broadcaster].add(channel)
        channel.send("stream_state", self._status(broadcaster, channel))

    def keep(self, channel: Channel) -> None:
        """Any other socket that is to end with its login."""
        self._others.add(channel)

    def leave(self, channel: Channel) -> None:
        """Forget a socket, wherever it is."""
        self._others.discard(channel)
        for table in (self._own, self._watching, self._ears):
            for name in [name for name, channels in table.items() if channel in channels]:
                table[name].discard(channel)
                if not table[name]:
                    del table[name]

    def friend(self, username: str) -> dict[str, Any]:
        """A friend as the lists show one."""
        since = self._air.live_since(username)
        return {"username": username, "live": since is not None, "since": stamp(since)}

    @property
    def sockets(self) -> int:
        """How many are open."""
        return len(self._all())

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
        if username in self._ears and username not in self._due:
            self._due[username] = asyncio.get_running_loop().call_later(STATUS_S, self._tell_status, username)

    def on_level(self, username: str, original_dbfs: float, denoised_dbfs: float) -> None:
        """Loudness of the last 100 ms; NaN: not known."""
        if username in self._ears:
            text = message("level", {"original_dbfs": _known(original_dbfs), "denoised_dbfs": _known(denoised_dbfs)})
            for channel in self._ears[username]:
                channel.send_spare(text)

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
            for channel in self._own.get(mine, ()):
                self._watching[theirs].add(channel)
            self._tell(self._own, mine, "friendship", {"username": theirs, "friends": True})
            since = self._air.live_since(theirs)
            if since is not None:
                update = {"username": theirs, "is_streaming": True, "since": stamp(since)}
                self._tell(self._own, mine, "streaming_status_update", update)

    def unfriended(self, one: str, other: str) -> None:
        """Two are no longer friends; their sockets at each other's streams end."""
        for mine, theirs in ((one, other), (other, one)):
            for channel in self._own.get(mine, ()):
                if theirs in self._watching:
                    self._watching[theirs].discard(channel)
            self._tell(self._own, mine, "friendship", {"username": theirs, "friends": False})
            for channel in self._ears.get(theirs, ()):
                if channel.username == mine:
                    channel.end(NOT_ALLOWED)

    def signed_out(self, login_ids: Iterable[int]) -> None:
        """These logins have ended; so do their sockets."""
        ended = set(login_ids)
        for channel in self._all():
            if channel.login_id in ended:
                channel.end(NOT_SIGNED_IN)

    def end_all(self, code: int = GOING_AWAY) -> None:
        """Tell every socket to close."""
        for timer in self._due.values():
            timer.cancel()
        self._due.clear()
        for channel in self._all():
            channel.end(code)

    # --- helpers

    def _all(self) -> set[Channel]:
        return set(self._others).union(*self._own.values(), *self._ears.values())

    def _status(self, broadcaster: str, channel: Channel) -> dict[str, Any]:
        return self._air.status(broadcaster, names=channel.username == broadcaster)

    def _tell_status(self, username: str) -> None:
        self._due.pop(username, None)
        texts: dict[bool, str] = {}
        for channel in self._ears.get(username, ()):
            own = channel.username == username
            if own not in texts:
                texts[own] = message("stream_state", self._status(username, channel))
            channel.send_text(texts[own])

    def _tell(self, table: defaultdict[str, set[Channel]], username: str, kind: str, data: dict[str, Any]) -> None:
        text = message(kind, data)
        for channel in table.get(username, ()):
            channel.send_text(text)


def _known(dbfs: float) -> float | None:
    return round(dbfs, 1) if math.isfinite(dbfs) else None
