"""The presence sockets: each is told of its user's friends, who of them is live, and friend requests, at whichever server they happen."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime

from sfu.rfc3339 import rfc3339
from web.events.channel import NOT_ALLOWED, Channel
from web.events.node_messages import AccountMessage, FriendAsked, FriendNotAsked, FriendshipMade, FriendshipOver, NodeLink
from web.events.socket_messages import AllStatuses, FriendRequested, FriendRow, FriendshipChange, StreamingStatusUpdate, text_of
from web.events.subscriptions import Subscriptions
from web.http.shapes import ServerMessage


class FriendSockets:
    """Knows which presence socket is told of whom. Usernames are spelled as in the accounts."""

    def __init__(self, live_here: Callable[[str], datetime | None], by_broadcaster: Subscriptions, others: NodeLink) -> None:
        """live_here: since when a user is live at this server; by_broadcaster: the stream sockets; others: the other servers."""
        self._live_here = live_here
        self._by_broadcaster = by_broadcaster
        self._others = others
        self._by_user = Subscriptions()  # user -> presence sockets of that user
        self._by_friend = Subscriptions()  # user -> presence sockets of that user's friends

    def join(self, channel: Channel, friends: Iterable[str]) -> None:
        """Subscribe a presence socket to changes of its user's friends, and send it all_statuses."""
        names = list(friends)
        self._by_user.add(channel.username, channel)
        for name in names:
            self._by_friend.add(name, channel)
        channel.send(AllStatuses(friends=[self.row(name) for name in names]))

    def leave(self, channel: Channel) -> None:
        """Remove a socket."""
        self._by_user.leave(channel)
        self._by_friend.leave(channel)

    def row(self, username: str) -> FriendRow:
        """A friend's row in the list of friends."""
        since = self._live_since(username)
        return FriendRow(username=username, live=since is not None, since=rfc3339(since))

    def tell_live(self, username: str, since: datetime | None = None) -> None:
        """A user's broadcast has begun or ended, here or at another server: tell the friends whether the user is live now.

        since: since when, where that is known already.
        """
        since = since or self._live_since(username)
        message = StreamingStatusUpdate(username=username, is_streaming=since is not None, since=rfc3339(since))
        self._tell(self._by_friend, username, message)

    # --- events of the accounts, which all servers are told

    def asked(self, asked: str, request_id: int, asker: str) -> None:
        """`asker` has sent `asked` a friend request."""
        self._tell_all(FriendAsked(asked=asked, asker=asker, request=request_id))

    def withdrawn(self, asked: str, asker: str) -> None:
        """`asker` has withdrawn a friend request."""
        self._tell_all(FriendNotAsked(asked=asked, asker=asker))

    def befriended(self, one: str, other: str) -> None:
        """Two users have become friends: tell each, and whether the other is live."""
        self._tell_all(FriendshipMade(one=one, other=other))

    def unfriended(self, one: str, other: str) -> None:
        """Two users are no longer friends: tell each, and close their sockets on each other's streams."""
        self._tell_all(FriendshipOver(one=one, other=other))

    def hear(self, message: AccountMessage) -> None:
        """Tell the sockets of this server what has happened, here or at another one."""
        match message:
            case FriendAsked(asked=asked, asker=asker, request=request_id):
                self._tell(self._by_user, asked, FriendRequested(id=request_id, username=asker))
            case FriendNotAsked(asked=asked, asker=asker):
                self._tell(self._by_user, asked, FriendshipChange(username=asker, friends=False))
            case FriendshipMade(one=one, other=other):
                self._befriend(one, other)
                self._befriend(other, one)
            case FriendshipOver(one=one, other=other):
                self._unfriend(one, other)
                self._unfriend(other, one)

    # --- after messages of other servers may have been missed

    @property
    def users(self) -> Collection[str]:
        """Who has presence sockets here."""
        return self._by_user.names

    def compare(self, username: str, friends: Collection[str]) -> None:
        """These are the user's friends now: make good what the sockets have not been told of friendships."""
        channels = list(self._by_user.at(username))
        known = {name for channel in channels for name in self._by_friend.told_of(channel)}
        for name in sorted(known - set(friends)):
            self._unfriend(username, name)
        for name in sorted(set(friends) - known):
            self._befriend(username, name)

    def part(self, listener: str, broadcaster: str) -> None:
        """Close the listener's sockets on the broadcaster's stream."""
        for channel in self._by_broadcaster.at(broadcaster):
            if channel.username == listener:
                channel.end(NOT_ALLOWED)

    # --- sending

    def _befriend(self, mine: str, theirs: str) -> None:
        for channel in self._by_user.at(mine):
            self._by_friend.add(theirs, channel)
        self._tell(self._by_user, mine, FriendshipChange(username=theirs, friends=True))
        since = self._live_since(theirs)
        if since is not None:
            self._tell(self._by_user, mine, StreamingStatusUpdate(username=theirs, is_streaming=True, since=rfc3339(since)))

    def _unfriend(self, mine: str, theirs: str) -> None:
        for channel in self._by_user.at(mine):
            self._by_friend.remove(theirs, channel)
        self._tell(self._by_user, mine, FriendshipChange(username=theirs, friends=False))
        self.part(mine, theirs)

    def _live_since(self, username: str) -> datetime | None:
        return self._live_here(username) or self._others.live_since(username)

    def _tell_all(self, message: AccountMessage) -> None:
        self._others.tell(message)
        self.hear(message)

    def _tell(self, places: Subscriptions, username: str, message: ServerMessage) -> None:
        text = text_of(message)
        for channel in places.at(username):
            channel.send_text(text)
