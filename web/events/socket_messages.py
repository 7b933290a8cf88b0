"""The messages of the presence and stream sockets, and those that every socket has, as structs; and how messages are read and written.

A message is a JSON text {"type": …, "data": {…}}. A struct is the data; its class has the type.
"""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from web.http.json_body import strict_json
from web.http.shapes import Answer, ClientMessage, ServerMessage, Timestamp


class Envelope(msgspec.Struct, frozen=True):
    """A message of any type, before its data is read."""

    type: str
    data: dict[str, Any] = {}


class Ping(ClientMessage, frozen=True, kw_only=True):
    """timestamp: any JSON value, which comes back in the pong."""

    type: ClassVar[str] = "ping"
    invalid: ClassVar[str] = "A ping has a timestamp."
    timestamp: Any


class Hello(ClientMessage, frozen=True, kw_only=True):
    """The secret of a listen link for this user, by which somebody without an account hears a broadcast."""

    type: ClassVar[str] = "hello"
    invalid: ClassVar[str] = "A hello has the token of a listen link."
    token: Annotated[str, Meta(min_length=1, max_length=200)]


class Pong(ServerMessage, frozen=True, kw_only=True):
    """timestamp: as the ping had it."""

    type: ClassVar[str] = "pong"
    timestamp: msgspec.Raw


class MessageError(ServerMessage, frozen=True, kw_only=True):
    """A message could not be taken; the socket stays open. message: why, for people. wrong_kind: in a companion session only."""

    type: ClassVar[str] = "error"
    code: Literal["bad_message", "unknown_type", "wrong_kind"]
    message: str


class FriendRow(Answer, frozen=True, kw_only=True):
    """A friend. since: live since, null where not live."""

    username: str
    live: bool
    since: Timestamp | None


class AllStatuses(ServerMessage, frozen=True, kw_only=True):
    """All friends, once, on connecting."""

    type: ClassVar[str] = "all_statuses"
    friends: list[FriendRow]


class StreamingStatusUpdate(ServerMessage, frozen=True, kw_only=True):
    """A friend went live or ended. since: null where it ended."""

    type: ClassVar[str] = "streaming_status_update"
    username: str
    is_streaming: bool
    since: Timestamp | None


class FriendRequested(ServerMessage, frozen=True, kw_only=True):
    """Somebody asks for friendship. id: the request's."""

    type: ClassVar[str] = "friend_request"
    id: int
    username: str


class FriendshipChange(ServerMessage, frozen=True, kw_only=True):
    """friends: true: they are friends now; false: no longer, or they have taken their request back."""

    type: ClassVar[str] = "friendship"
    username: str
    friends: bool


class LevelUpdate(ServerMessage, frozen=True, kw_only=True):
    """Loudness of the last 100 ms, ten times a second while live; null where it is not known."""

    type: ClassVar[str] = "level"
    original_dbfs: float | None
    denoised_dbfs: float | None


class CueMark(ServerMessage, frozen=True, kw_only=True):
    """A mark in the broadcast; at_s: seconds since its beginning."""

    type: ClassVar[str] = "cue"
    at_s: float
    kind: Literal["chord", "practice"]
    text: str


class BroadcastEnded(ServerMessage, frozen=True, kw_only=True):
    """recording: its id, null where nothing was recorded."""

    type: ClassVar[str] = "ended"
    recording: int | None


class PacketTimeChange(ServerMessage, frozen=True, kw_only=True):
    """How much sound a packet shall have; to the broadcaster's own sockets only."""

    type: ClassVar[str] = "packet"
    ms: int


def envelope_of(text: str) -> Envelope:
    """The message in a text. Raises ValueError where it is no JSON or not of the form of a message."""
    return msgspec.convert(strict_json(text), Envelope)


def text_of(message: ServerMessage) -> str:
    """The text that is sent for a message."""
    return msgspec.json.encode({"type": message.type, "data": message}).decode()
