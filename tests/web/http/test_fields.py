"""Structs of bodies, queries and messages: all wrong fields are told at once."""

from typing import Annotated, Any, Literal, get_args

import pytest
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import fields

from web.accounts.tokens import NewToken
from web.errors import BadRequest
from web.http.fields import body_from, message_from, query_from
from web.http.shapes import Body, ClientMessage, Invalid, Lifetime, NewPassword, Query, Username, shown
from web.live.companion_messages import ChordChange
from web.live.whip import WhipQuery
from web.recordings.recordings import NewTitle


class Everything(Body, frozen=True, kw_only=True):
    """One of each kind of field."""

    name: Username
    password: NewPassword
    words: list[Literal["one", "two"]]
    word: Literal["one", "two"] = "one"
    on: bool | None = None
    count: Annotated[int, Meta(ge=1, le=9)] | None = None
    expires_s: Lifetime | None = None
    level: Annotated[float, Meta(ge=0, le=100)] | UnsetType | None = UNSET


class Asked(Query, frozen=True, kw_only=True):
    """One of each kind of parameter."""

    part: Annotated[str, Meta(max_length=3)] = ""
    on: bool = True
    count: Annotated[int, Meta(ge=1, le=9)] = 5


class Told(ClientMessage, frozen=True, kw_only=True):
    """The data of a message."""

    on: bool


GOOD = {"name": "alice", "password": "correct horse", "words": ["two", "one", "two"]}


def test_what_is_right() -> None:
    """Defaults stand for what is missing or null; lists have the known order; null is told from missing where that differs."""
    sample = body_from(Everything, GOOD)
    assert (sample.words, sample.word, sample.on, sample.level) == (["one", "two"], "one", None, UNSET)
    assert body_from(Everything, GOOD | {"level": None, "word": None}).level is None
    assert body_from(Everything, GOOD | {"level": 12.5, "count": 9, "on": False}).level == 12.5
    assert query_from(Asked, {"part": "", "on": "FALSE", "count": "7", "utm_source": "x"}) == Asked(on=False, count=7)
    assert message_from(Told, {"on": True, "more": 1}) == Told(on=True)


def test_all_that_is_wrong_is_told_at_once() -> None:
    """All wrong fields are told by name, unknown ones too."""
    body: dict[str, Any] = {"name": "a b", "words": [], "word": "three", "on": 1, "count": True, "expires_s": 0, "level": 101, "more": 1}
    with pytest.raises(BadRequest) as raised:
        body_from(Everything, body)
    assert raised.value.fields["errors"] == {
        "name": "may have letters, digits, underscore, dot and hyphen only",
        "password": "is missing",
        "words": "must be a list of one, two",
        "word": "must be one of one, two",
        "on": "must be true or false",
        "count": "must be a whole number from 1 to 9",
        "expires_s": "must be a number of seconds up to 316224000",
        "level": "must be a number from 0 to 100",
        "more": "is not known here",
    }
    with pytest.raises(BadRequest) as raised:
        query_from(Asked, {"part": "long", "on": "perhaps", "count": "٣"})
    assert raised.value.fields["errors"] == {
        "part": "must have 0 to 3 characters",
        "on": "must be 0 or 1",
        "count": "must be a whole number from 1 to 9",
    }


@pytest.mark.parametrize("value", [None, 7, "no", "x" * 129, "\ud800" * 8, "nul\0nul\0"])
def test_no_password(value: object) -> None:
    """Of any other type or length, or nothing that can be stored."""
    with pytest.raises(BadRequest) as raised:
        body_from(Everything, GOOD | {"password": value})
    assert list(raised.value.fields["errors"]) == ["password"]  # type: ignore[call-overload]


def test_a_text_that_others_are_shown() -> None:
    """Spaces around it do not count; control characters, bidi overrides and texts of which nothing is visible are refused."""
    for given, kept in ((" Monday ", "Monday"), ("x" * 9 + " ", "x" * 9), ("שלום\u200f", "שלום\u200f"), ("🎸", "🎸"), ("<b>", "<b>")):
        assert shown(given, Meta(min_length=1, max_length=9)) == kept
    assert shown("  ", Meta(max_length=9)) == ""
    for wrong in ("", " ", "\u200b", "a\x1bb", "a\nb", "\u202eabc", "a\u2069", "x" * 10, "\ud800", None, 7):
        with pytest.raises(Invalid):
            shown(wrong, Meta(min_length=1, max_length=9))


def test_every_text_that_others_are_shown_is_read_so() -> None:
    """Titles, names of tokens and chords have one reader."""
    for kind, name in ((NewTitle, "title"), (WhipQuery, "title"), (NewToken, "name"), (ChordChange, "chord")):
        assert _reader(kind, name) is shown


def _reader(kind: type[Struct], name: str) -> object:
    (field,) = (field for field in fields(kind) if field.name == name)
    return next(meta.extra["read"] for meta in get_args(field.type) if isinstance(meta, Meta) and meta.extra)
