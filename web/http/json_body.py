"""JSON bodies and their fields. Whatever is wrong with them is told field by field, all at once.

A handler asks for each of its fields, then calls `check`: what it asked for is what it knows, and any other field is refused.
"""

import json
import math
import re
import unicodedata
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NoReturn, TypeVar

from aiohttp import web

from db.tables import now
from sfu.errors import BadRequest
from web.http.texts import NO_PLAIN_TEXT, is_blank, is_showable, is_storable
from web.http.timeouts import body_of

T = TypeVar("T")
USERNAME = re.compile(r"[A-Za-z0-9_.-]{3,32}")
LONGEST_S = 10 * 366 * 86_400
MOST_TOLD, LONGEST_NAME = 20, 100  # unknown fields, and letters of one's name: the answer is no longer than it is useful


async def json_of(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object. Raises BadRequest, and what `body_of` raises."""
    try:
        body = strict_json((await body_of(request)).decode("utf-8"))
    except ValueError:
        raise BadRequest({"body": "must be JSON"}) from None
    if not isinstance(body, dict):
        raise BadRequest({"body": "must be a JSON object"})
    return body


def strict_json(text: str) -> Any:
    """The value of a JSON text in which every number is a finite one, so that it can be written again. Raises ValueError."""
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


async def fields_of(request: web.Request) -> "Fields":
    """The body's fields, to be asked for one by one."""
    return Fields(await json_of(request))


async def optional_fields_of(request: web.Request) -> "Fields":
    """As fields_of, where no body at all says nothing."""
    return Fields(await json_of(request) if await body_of(request) else {})


class Fields:
    """A JSON object under examination: each question answers a usable value or notes why not; `check` raises what was noted."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body
        self._asked: set[str] = set()
        self.errors: dict[str, str] = {}

    def check(self) -> None:
        """Raises BadRequest if any question had a bad answer, or a field is there that nobody asked for: call it after all questions."""
        for name in [name for name in self._body if name not in self._asked][:MOST_TOLD]:
            self._wrong(name[:LONGEST_NAME].encode("utf-8", "replace").decode(), "is not known here", None)
        if self.errors:
            raise BadRequest(self.errors)

    def has(self, name: str) -> bool:
        """Whether the field is there at all, null or not."""
        self._asked.add(name)
        return name in self._body

    def text(self, name: str, least: int, most: int) -> str:
        """A required text of least to most characters."""
        value = self._value(name)
        if not isinstance(value, str):
            return self._wrong(name, "must be a text" if name in self._body else "is missing", "")
        if not least <= len(value) <= most:
            return self._wrong(name, f"must have {least} to {most} characters", "")
        if not is_storable(value):
            return self._wrong(name, "must be valid Unicode", "")
        return value

    def optional_text(self, name: str, least: int, most: int) -> str | None:
        """A text, or None where it is missing or null."""
        return None if self._value(name) is None else self.text(name, least, most)

    def shown(self, name: str, most: int) -> str:
        """A required text that others are shown: of something to be seen, on one line; without the spaces around it."""
        value = self.text(name, 1, most).strip()
        if name not in self.errors and is_blank(value):
            return self._wrong(name, "must not be blank", "")
        return value if is_showable(value) else self._wrong(name, NO_PLAIN_TEXT, "")

    def truth(self, name: str) -> bool:
        """True or false."""
        value = self._value(name)
        return value if isinstance(value, bool) else self._wrong(name, "must be true or false", False)

    def optional_truth(self, name: str) -> bool | None:
        """true or false, or None where it is missing or null."""
        value = self._value(name)
        if value is not None and not isinstance(value, bool):
            return self._wrong(name, "must be true or false", None)
        return value

    def optional_number(self, name: str, least: float, most: float) -> float | None:
        """A number, or None where it is missing or null."""
        value = self._value(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            return self._wrong(name, f"must be a number from {least:g} to {most:g}", None)
        return value

    def username(self, name: str = "username") -> str:
        """A well-formed name for an account."""
        value = self.text(name, 3, 32)
        if value and not USERNAME.fullmatch(value):
            return self._wrong(name, "may have letters, digits, underscore, dot and hyphen only", "")
        return value

    def password(self, name: str = "password") -> str:
        """A password of 8 to 128 characters, in one normal form whatever keyboard it came from."""
        return unicodedata.normalize("NFC", self.text(name, 8, 128))

    def any_password(self, name: str) -> str:
        """Something to compare with a kept password: any text, in the same normal form."""
        return unicodedata.normalize("NFC", self.text(name, 1, 1000))

    def choice(self, name: str, known: Collection[str]) -> str:
        """One of the known words."""
        value = self._value(name)
        if not isinstance(value, str) or value not in known:
            return self._wrong(name, f"must be one of {', '.join(known)}", "")
        return value

    def choices(self, name: str, known: Collection[str]) -> list[str]:
        """A list of one or more of the known words, each once, in the known order."""
        value = self._value(name)
        if not isinstance(value, list) or not value or not all(isinstance(word, str) and word in known for word in value):
            return self._wrong(name, f"must be a list of {', '.join(known)}", [])
        return [word for word in known if word in value]

    def optional_count(self, name: str, most: int) -> int | None:
        """A whole number from 1, or None where it is missing or null."""
        value = self._value(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            return self._wrong(name, f"must be a whole number from 1 to {most}", None)
        return value

    def optional_moment(self, name: str = "expires_s") -> datetime | None:
        """A number of seconds from now, as the moment it names; None where it is missing or null."""
        value = self._value(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST_S:
            return self._wrong(name, f"must be a number of seconds up to {LONGEST_S}", None)
        return now() + timedelta(seconds=value)

    def _value(self, name: str) -> Any:
        self._asked.add(name)
        return self._body.get(name)

    def _wrong(self, name: str, why: str, instead: T) -> T:
        self.errors.setdefault(name, why)
        return instead


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large")
    return number
