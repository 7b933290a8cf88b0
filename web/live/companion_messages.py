"""The messages of a companion session's socket, as structs: what devices say, and what all of them are told."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from msgspec import Meta

from web.http.shapes import Answer, Invalid, Message
from web.http.texts import is_showable

Action = Literal["stop", "mute", "unmute", "denoise_on", "denoise_off"]


def _chord(value: Any, meta: Meta) -> str:
    """A text that can be shown on one line. Raises Invalid."""
    if not isinstance(value, str) or not (meta.min_length or 0) <= len(value) <= (meta.max_length or 0) or not is_showable(value):
        raise Invalid(f"must have {meta.min_length} to {meta.max_length} characters")
    return value


def _timestamp(value: Any, _: Meta) -> str | float:
    """A number or a short text, whose meaning is the client's own. Raises Invalid."""
    if isinstance(value, str) and 1 <= len(value) <= 64 and is_showable(value):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise Invalid("must be a number, or a text of 1 to 64 characters")


Chord = Annotated[str, Meta(min_length=1, max_length=16, extra={"read": _chord})]
ClientTime = Annotated[str | float, Meta(extra={"read": _timestamp})]


class ChordChange(Message, frozen=True, kw_only=True):
    """`chord_change`: the chord from now on."""

    chord: Chord


class PracticeMark(Message, frozen=True, kw_only=True):
    """`practice_start` and `practice_end`."""

    timestamp: ClientTime


class RemoteCommand(Message, frozen=True, kw_only=True):
    """`remote`: a command to the broadcaster's page; muting is done by the server."""

    action: Action


class ChordHeard(Answer, frozen=True, kw_only=True):
    """`chord_change`; at_s: where the broadcast is, null when not live."""

    chord: str
    at_s: float | None


class PracticeUpdate(Answer, frozen=True, kw_only=True):
    """`practice_update`."""

    status: Literal["started", "ended"]
    timestamp: str | float


class RemoteAction(Answer, frozen=True, kw_only=True):
    """`remote`."""

    action: Action


class ConnectionUpdate(Answer, frozen=True, kw_only=True):
    """`connection_update`; devices: how many are connected now."""

    status: Literal["connected", "disconnected"]
    user_id: int
    devices: int


# type -> how its data is read, and what is answered where that cannot be
SAID: Mapping[str, tuple[type[Message], str]] = MappingProxyType(
    {
        "chord_change": (ChordChange, "A chord has 1 to 16 characters."),
        "practice_start": (PracticeMark, "A practice mark has a timestamp."),
        "practice_end": (PracticeMark, "A practice mark has a timestamp."),
        "remote": (RemoteCommand, "An action is one of stop, mute, unmute, denoise_on, denoise_off."),
    }
)
TOLD: Mapping[str, type[Answer]] = MappingProxyType(
    {
        "chord_change": ChordHeard,
        "practice_update": PracticeUpdate,
        "remote": RemoteAction,
        "connection_update": ConnectionUpdate,
    }
)
