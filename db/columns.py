"""The types of columns that a database has not, or not in the same way: times, JSON, names that are compared without case;
and words that the two kinds of database spell differently.

Times are aware datetimes in UTC, stored as fixed-width RFC 3339 text, so that text order is time order. Reading an invalid value raises
Unavailable: only a damaged disk or another program can have written it.
"""

import json
import string
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import peewee

from db.errors import Unavailable

LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class UtcField(peewee.Field):
    """An aware datetime, stored as `2025-01-31T20:14:00.000000Z`."""

    field_type = "TEXT"

    def db_value(self, value: datetime | None) -> str | None:
        return None if value is None else value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def python_value(self, value: str | None) -> datetime | None:
        try:
            return None if value is None else datetime.fromisoformat(value)
        except (ValueError, TypeError) as error:
            raise _damaged(self, value) from error


class NameField(peewee.TextField):
    """Text that is compared without regard to the case of ASCII letters: SQLite by the column (NOCASE), PostgreSQL by lower()."""

    __hash__ = peewee.TextField.__hash__

    def folded(self) -> "Folded":
        """What to sort by."""
        return Folded(self)

    def __eq__(self, other: object) -> peewee.Expression:  # type: ignore[override]
        return self.folded() == _Name(other)

    def __lt__(self, other: object) -> peewee.Expression:
        return self.folded() < _Name(other)

    def __gt__(self, other: object) -> peewee.Expression:
        return self.folded() > _Name(other)

    def __ge__(self, other: object) -> peewee.Expression:
        return self.folded() >= _Name(other)

    def in_(self, others: Iterable[str]) -> peewee.Expression:
        """Whether it is one of these."""
        return self.folded().in_([_Name(other) for other in others])


class Folded(peewee.ColumnBase):
    """A column as it is compared without case."""

    def __init__(self, field: peewee.Field) -> None:
        self._field = field

    def __sql__(self, ctx: Any) -> Any:
        return ctx.literal("lower(").sql(self._field).literal(")") if ctx.state.postgres else ctx.sql(self._field)


class _Name(peewee.Node):
    """What is compared with it."""

    def __init__(self, text: object) -> None:
        self._text = str(text)

    def __sql__(self, ctx: Any) -> Any:
        return ctx.value(self._text.translate(LOWER) if ctx.state.postgres else self._text)


class EitherWay(peewee.Node):
    """A part of a question that is written in one way or in another."""

    def __init__(self, sqlite: str, postgres: str) -> None:
        self._sqlite, self._postgres = sqlite, postgres

    def __sql__(self, ctx: Any) -> Any:
        return ctx.literal(self._postgres if ctx.state.postgres else self._sqlite)


class JsonField(peewee.Field):
    """A JSON value, stored as text."""

    field_type = "TEXT"

    def db_value(self, value: Any) -> str:
        return json.dumps(value)

    def python_value(self, value: str) -> Any:
        try:
            return json.loads(value)
        except (ValueError, TypeError) as error:
            raise _damaged(self, value) from error


def _damaged(field: peewee.Field, value: object) -> Unavailable:
    """An invalid value, which only a damaged disk or another program can have written."""
    where = f"{field.model._meta.table_name}.{field.column_name}"
    return Unavailable("database_away", f"damaged: {str(value)[:40]!r} in {where}")
