"""The tables as classes. Constraints live in the schema (migrations/); here are the names and the Python types.

Times are aware datetimes in UTC, stored as fixed-width RFC 3339 text, so that text order is time order.
"""

import json
from datetime import UTC, datetime
from typing import Any

import peewee

from db.connection import TABLES


def now() -> datetime:
    """This moment, aware, in UTC."""
    return datetime.now(UTC)


class UtcField(peewee.Field):
    """An aware datetime, kept as `2025-01-31T20:14:00.000000Z`."""

    field_type = "TEXT"

    def db_value(self, value: datetime | None) -> str | None:
        return None if value is None else value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def python_value(self, value: str | None) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class JsonField(peewee.Field):
    """A JSON value, kept as text."""

    field_type = "TEXT"

    def db_value(self, value: Any) -> str:
        return json.dumps(value)

    def python_value(self, value: str) -> Any:
        return json.loads(value)


class Row(peewee.Model):
    """Root of the tables: all are in the file that the calling thread has open."""

    class Meta:
        database = TABLES
        legacy_table_names = False


class User(Row):
    """An account. Names are unique without regard to case and keep the case they were made with."""

    id = peewee.AutoField()
    username = peewee.TextField(collation="NOCASE", unique=True)
    password_hash = peewee.TextField()
    created_at = UtcField(default=now)


class Login(Row):
    """A browser that is signed in: the digest of its cookie, never the cookie."""

    id = peewee.AutoField()
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    user_id: int
    digest = peewee.TextField(unique=True)
    created_at = UtcField(default=now)
    seen_at = UtcField(default=now)
    address = peewee.TextField()
    agent = peewee.TextField()


class FriendRequest(Row):
    """`hidden`: the one asked has blocked the asker and does not hear of it."""

    id = peewee.AutoField()
    asker = peewee.ForeignKeyField(User, on_delete="CASCADE", backref="+")
    asker_id: int
    asked = peewee.ForeignKeyField(User, on_delete="CASCADE", backref="+")
    asked_id: int
    status = peewee.TextField(default="pending")
    hidden = peewee.BooleanField(default=False)
    created_at = UtcField(default=now)
    answered_at = UtcField(null=True)


class Friendship(Row):
    """A pair, once: the lower id first."""

    id = peewee.AutoField()
    first = peewee.ForeignKeyField(User, on_delete="CASCADE", backref="+")
    first_id: int
    second = peewee.ForeignKeyField(User, on_delete="CASCADE", backref="+")
    second_id: int
    created_at = UtcField(default=now)


class Block(Row):
    """`blocker` wants to hear nothing of `blocked`."""

    id = peewee.AutoField()
    blocker = peewee.ForeignKeyField(User, on_delete="CASCADE", backref="+")
    blocker_id: int
    blocked = peewee.ForeignKeyField(User, on_delete="CASCADE", backref="+")
    blocked_id: int
    created_at = UtcField(default=now)


class Token(Row):
    """A bearer token for programs, by digest. `scopes`: a list of publish, listen, metrics."""

    id = peewee.AutoField()
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    user_id: int
    name = peewee.TextField()
    scopes = JsonField()
    digest = peewee.TextField(unique=True)
    created_at = UtcField(default=now)
    last_used_at = UtcField(null=True)


class Invite(Row):
    """A door for new accounts, by digest. `uses` and `expires_at` null: no limit."""

    id = peewee.AutoField()
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    user_id: int
    digest = peewee.TextField(unique=True)
    uses = peewee.IntegerField(null=True)
    used = peewee.IntegerField(default=0)
    created_at = UtcField(default=now)
    expires_at = UtcField(null=True)


class ListenLink(Row):
    """Whoever has it hears this user's live broadcast; by digest."""

    id = peewee.AutoField()
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    user_id: int
    digest = peewee.TextField(unique=True)
    created_at = UtcField(default=now)
    expires_at = UtcField(null=True)


class Recording(Row):
    """One broadcast, kept. `variants`: list of names; `chapters`: list of {at_s, kind, text}; `folder`: where the files are.

    `spans`: list of {from_s, to_s, kind, reason}, known when it is finalised, as is `denoised_share` in [0, 1].
    """

    id = peewee.AutoField()
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    user_id: int
    broadcast = peewee.TextField(unique=True)
    title = peewee.TextField(null=True)
    state = peewee.TextField(default="live")
    started_at = UtcField(default=now)
    duration_s = peewee.FloatField(default=0.0)
    denoised = peewee.BooleanField(default=False)
    variants = JsonField(default=list)
    size_bytes = peewee.IntegerField(default=0)
    chapters = JsonField(default=list)
    stats = JsonField(default=dict)
    spans = JsonField(default=list)
    denoised_share = peewee.FloatField(default=0.0)
    folder = peewee.TextField()


ALL = (User, Login, FriendRequest, Friendship, Block, Token, Invite, ListenLink, Recording)
