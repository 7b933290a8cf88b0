"""What the servers of one community tell each other about accounts and rights, as structs. A server that is alone tells nobody."""

from datetime import datetime
from typing import Annotated, Protocol

import msgspec
from aiohttp import web
from msgspec import Meta

Username = Annotated[str, Meta(min_length=1, max_length=64)]


class FriendAsked(msgspec.Struct, frozen=True, kw_only=True, tag="friend_asked"):
    """`asker` has sent `asked` a friend request."""

    asked: Username
    asker: Username
    request: Annotated[int, Meta(ge=0)]


class FriendNotAsked(msgspec.Struct, frozen=True, kw_only=True, tag="friend_not_asked"):
    """`asker` has withdrawn a friend request to `asked`."""

    asked: Username
    asker: Username


class FriendshipMade(msgspec.Struct, frozen=True, kw_only=True, tag="friendship_made"):
    """Two users have become friends."""

    one: Username
    other: Username


class FriendshipOver(msgspec.Struct, frozen=True, kw_only=True, tag="friendship_over"):
    """Two users are no longer friends."""

    one: Username
    other: Username


class LoginReplaced(msgspec.Struct, frozen=True, kw_only=True, tag="login_replaced"):
    """A browser has signed in anew: what goes on under the old login goes on under the new one. Told before the old one ends."""

    old: Annotated[int, Meta(ge=0)]
    new: Annotated[int, Meta(ge=0)]


class RightsOver(msgspec.Struct, frozen=True, kw_only=True, tag="rights_over"):
    """Logins, tokens, links, accounts or companion sessions have ended: each server asks the database which."""


AccountMessage = FriendAsked | FriendNotAsked | FriendshipMade | FriendshipOver
NodeMessage = AccountMessage | LoginReplaced | RightsOver


class NodeLink(Protocol):
    """The other servers, as presence sees them. Cheap, and raises nothing."""

    def live_since(self, username: str) -> datetime | None:
        """Since when the user is on air at another server; None: not there."""

    def tell(self, message: NodeMessage) -> None:
        """Tell all other servers."""

    def on_air(self, username: str) -> None:
        """The user's broadcast here has begun, changed or ended."""


class NoNodeLink:
    """This server is alone."""

    def live_since(self, username: str) -> datetime | None: ...
    def tell(self, message: NodeMessage) -> None: ...
    def on_air(self, username: str) -> None: ...


NODE_LINK: web.AppKey[NodeLink] = web.AppKey("NODE_LINK")
