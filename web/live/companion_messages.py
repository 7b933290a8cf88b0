"""The messages of a companion session's socket, as structs: what devices say, and what all of them are told."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, get_args

from msgspec import Meta

from web.http.shapes import ClientMessage, Invalid, ServerMessage, shown
from web.http.texts import is_showable

Kind = Literal["practice", "remote"]
Action = Literal["stop", "mute", "unmute", "denoise_on", "denoise_off"]


def _timestamp(value: Any, _: Meta) -> str | float:
    """A number or a short text, whose meaning is the client's own. Raises Invalid."""
    if isinstance(value, str) and 1 <= len(value) <= 64 and is_showable(value):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise Invalid("must be a number, or a text of 1 to 64 characters")


Chord = Annotated[str, Meta(min_length=1, max_length=16, extra={"read": shown})]
ClientTime = Annotated[str | float, Meta(extra={"read": _timestamp})]


class DeviceMessage(ClientMessage, frozen=True, kw_only=True):
    """What a device says; kind: of the sessions in which it may."""

    kind: ClassVar[Kind]


class ChordChange(DeviceMessage, frozen=True, kw_only=True):
    """The chord from now on."""

    type: ClassVar[str] = "chord_change"
    kind: ClassVar[Kind] = "practice"
    invalid: ClassVar[str] = "A chord has 1 to 16 characters."
    chord: Chord


class PracticeStart(DeviceMessage, frozen=True, kw_only=True):
    """Practice begins."""

    type: ClassVar[str] = "practice_start"
    kind: ClassVar[Kind] = "practice"
    invalid: ClassVar[str] = "A practice mark has a timestamp."
    timestamp: ClientTime


class PracticeEnd(DeviceMessage, frozen=True, kw_only=True):
    """Practice ends."""

    type: ClassVar[str] = "practice_end"
    kind: ClassVar[Kind] = "practice"
    invalid: ClassVar[str] = "A practice mark has a timestamp."
    timestamp: ClientTime


class RemoteCommand(DeviceMessage, frozen=True, kw_only=True):
    """A command to the broadcaster's page; mute and unmute are done by the server itself."""

    type: ClassVar[str] = "remote"
    kind: ClassVar[Kind] = "remote"
    invalid: ClassVar[str] = f"An action is one of {', '.join(get_args(Action))}."
    action: Action


class ChordHeard(ServerMessage, frozen=True, kw_only=True):
    """A device has changed the chord. at_s: seconds since the broadcast began, null where not live."""

    type: ClassVar[str] = "chord_change"
    chord: str
    at_s: float | None


class PracticeUpdate(ServerMessage, frozen=True, kw_only=True):
    """A device has marked the beginning or the end of practice."""

    type: ClassVar[str] = "practice_update"
    status: Literal["started", "ended"]
    timestamp: str | float


class RemoteAction(ServerMessage, frozen=True, kw_only=True):
    """A command that the broadcaster's page carries out."""

    type: ClassVar[str] = "remote"
    action: Action


class Desk(ServerMessage, frozen=True, kw_only=True):
    """The owner's broadcast, on joining and on change; all false where there is none. denoise: the switch. kind: the session's."""

    type: ClassVar[str] = "desk"
    live: bool
    muted: bool
    denoise: bool
    kind: Kind


class ConnectionUpdate(ServerMessage, frozen=True, kw_only=True):
    """A device has connected or disconnected. user_id: the owner's. devices: how many are connected now."""

    type: ClassVar[str] = "connection_update"
    status: Literal["connected", "disconnected"]
    user_id: int
    devices: int


FROM_DEVICES: Mapping[str, type[DeviceMessage]] = MappingProxyType(
    {shape.type: shape for shape in (ChordChange, PracticeStart, PracticeEnd, RemoteCommand)}
)
