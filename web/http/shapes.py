"""The base classes of bodies, queries, answers and messages, and the types of their fields. Pure.

A field's type has bounds in msgspec's `Meta`: `web.http.fields` checks them, and the OpenAPI document shows them. `extra["read"]` is a
reader of its own, for a type that needs more checks.
"""

import unicodedata
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from db.tables import now
from web.http.texts import NO_PLAIN_TEXT, is_blank, is_showable, is_storable

LONGEST_S = 10 * 366 * 86_400
LARGEST_ID = 2**63 - 1


class Invalid(ValueError):
    """Says what is wrong with one field, in words for the client."""


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON object that a request brings. A field with a default may be missing or null."""


class OptionalBody(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body that may be missing: every field has a default."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """The query of a request. Each parameter has a default; unknown ones are ignored."""


class ClientMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The data of a message that a client sends over a socket. Unknown fields are ignored.

    invalid: what the client is told where a field is wrong.
    """

    type: ClassVar[str]
    invalid: ClassVar[str]


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON object that an answer brings, or a part of one. Every field is always there."""


class ServerMessage(Answer, frozen=True, kw_only=True):
    """The data of a message that the server sends over a socket."""

    type: ClassVar[str]


def text(value: Any, meta: Meta) -> str:
    """A text within its bounds that can be stored. Raises Invalid."""
    if not isinstance(value, str):
        raise Invalid("must be a text")
    least, most = meta.min_length or 0, meta.max_length
    if len(value) < least or (most is not None and len(value) > most):
        raise Invalid(f"must have {least} to {most} characters")
    if not is_storable(value):
        raise Invalid("must be valid Unicode")
    return value


def shown(value: Any, meta: Meta) -> str:
    """A text that others see, without surrounding spaces. Raises Invalid where it is blank or cannot be shown on one line.

    An empty text is accepted where `meta` allows it.
    """
    trimmed = text(value.strip() if isinstance(value, str) else value, meta)
    if trimmed and is_blank(trimmed):
        raise Invalid("must not be blank")
    if not is_showable(trimmed):
        raise Invalid(NO_PLAIN_TEXT)
    return trimmed


def username(value: Any, meta: Meta) -> str:
    """A well-formed name for an account. Raises Invalid."""
    name = text(value, meta)
    if not all(letter.isascii() and (letter.isalnum() or letter in "_.-") for letter in name):
        raise Invalid("may have letters, digits, underscore, dot and hyphen only")
    return name


def password(value: Any, meta: Meta) -> str:
    """A password in Unicode's form NFC, so that it is equal from every keyboard. Raises Invalid."""
    return unicodedata.normalize("NFC", text(value, meta))


def seconds(value: Any, meta: Meta) -> float:
    """A number of seconds. Raises Invalid."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST_S:
        raise Invalid(f"must be a number of seconds up to {LONGEST_S}")
    return value


def moment_in(seconds_from_now: float | None) -> datetime | None:
    """The moment in so many seconds; None stays None."""
    return None if seconds_from_now is None else now() + timedelta(seconds=seconds_from_now)


Username = Annotated[str, Meta(min_length=3, max_length=32, pattern=r"^[A-Za-z0-9_.\-]*$", extra={"read": username})]
NewPassword = Annotated[str, Meta(min_length=8, max_length=128, extra={"read": password})]
AnyPassword = Annotated[str, Meta(min_length=1, max_length=1000, extra={"read": password})]
LinkOrCode = Annotated[str, Meta(min_length=1, max_length=2000)]
Lifetime = Annotated[float, Meta(gt=0, le=LONGEST_S, extra={"read": seconds}, description="seconds from now")]
Timestamp = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Before = Annotated[int, Meta(ge=1, le=LARGEST_ID, description="ids below this one")]
Limit = Annotated[int, Meta(ge=1, le=LARGEST_ID, description="at most so many rows; more than the list allows is taken for that")]
