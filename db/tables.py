"""The tables as classes. Constraints are in the schema (migrations/); here are the names and the Python types.

Times are aware datetimes in UTC, stored as fixed-width RFC 3339 text, so that text order is time order.
"""

import json
from datetime import UTC, datetime
from typing import Any

import peewee

from db.connection import TABLES
from db.errors import Unavailable


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


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


class Row(peewee.Model):
    """Base class of the tables, which are in the file that the calling thread has open."""

    class Meta:
        database = TABLES
        legacy_table_names = False


class User(Row):
    """An account. Names are unique regardless of case, and stored as they were entered."""

    id = peewee.AutoField()
    username = peewee.TextField(collation="NOCASE", unique=True)
    password_hash = peewee.TextField()
    created_at = UtcField(default=now)


class Ownership(Row):
    """One row: the server's owner, null while it has none. `nonce`: of the claim; renewed by each claim."""

    id = peewee.AutoField()
    user = peewee.ForeignKeyField(User, null=True, on_delete="SET NULL", backref="+")
    user_id: int | None
    nonce = peewee.TextField()


class Login(Row):
    """A signed-in browser, by the digest of its cookie."""

    id = peewee.AutoField()
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    user_id: int
    digest = peewee.TextField(unique=True)
    created_at = UtcField(default=now)
    seen_at = UtcField(default=now)
    address = peewee.TextField()
    agent = peewee.TextField()


class FriendRequest(Row):
    """A friend request. `hidden`: `asked` has blocked `asker` and does not see it."""

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
    """A pair of friends, once: the lower id first."""

    id = peewee.AutoField()
    first = peewee.ForeignKeyField(User, on_delete="CASCADE", backref="+")
    first_id: int
    second = peewee.ForeignKeyField(User, on_delete="CASCADE", backref="+")
    second_id: int
    created_at = UtcField(default=now)


class UserBlock(Row):
    """`blocker` has blocked `blocked`."""

    class Meta:
        table_name = "block"

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
    """An invitation for new accounts, by digest. `uses` and `expires_at` null: no limit."""

    id = peewee.AutoField()
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    user_id: int
    digest = peewee.TextField(unique=True)
    uses = peewee.IntegerField(null=True)
    used = peewee.IntegerField(default=0)
    created_at = UtcField(default=now)
    expires_at = UtcField(null=True)


class ListenLink(Row):
    """A link to hear this user's live broadcast without an account; by digest."""

    id = peewee.AutoField()
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    user_id: int
    digest = peewee.TextField(unique=True)
    created_at = UtcField(default=now)
    expires_at = UtcField(null=True)


class Recording(Row):
    """One recorded broadcast. `variants`: list of names; `chapters`: list of {at_s, kind, text}; `folder`: where the files are.

    `spans`: list of {from_s, to_s, kind, reason}, known when it is finalised, as is `denoised_share` in [0, 1].
    `deleted_at`: it lies in the trash. `counts_from`: from when its days count, those in the trash (null: from the next trusted
    time) or, where it was restored, those of `recording.keep_days` (null: from `started_at`). `recounted`: they began anew once.
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
    chapters = JsonField(default=list)  # always [] in the file: `db.chapters.fill_in` loads them from their own rows
    stats = JsonField(default=dict)
    spans = JsonField(default=list)
    denoised_share = peewee.FloatField(default=0.0)
    folder = peewee.TextField()
    deleted_at = UtcField(null=True)
    counts_from = UtcField(null=True)
    recounted = peewee.BooleanField(default=False)


class Chapter(Row):
    """A mark in a recording. `place`: its index, from 0."""

    recording = peewee.ForeignKeyField(Recording, on_delete="CASCADE", backref="+")
    recording_id: int
    place = peewee.IntegerField()
    at_s = peewee.FloatField()
    kind = peewee.TextField()
    text = peewee.TextField()

    class Meta:
        primary_key = peewee.CompositeKey("recording", "place")


class NamePart(Row):
    """A suffix of a name, for the search by a part of it. A trigger adds them for each new account."""

    part = peewee.TextField(collation="NOCASE")
    user = peewee.ForeignKeyField(User, on_delete="CASCADE", backref="+")
    user_id: int

    class Meta:
        primary_key = peewee.CompositeKey("part", "user")


class DiscardedFolder(Row):
    """A folder to be deleted, whose recording's row is deleted already. Stored until the files are deleted."""

    folder = peewee.TextField(primary_key=True)


class LastTrustedTime(Row):
    """One row: the last time at which the wall clock was trusted."""

    class Meta:
        table_name = "trusted_time"

    id = peewee.AutoField()
    moment = UtcField()


class CompanionSession(Row):
    """A companion session. `digest`: of the code with which devices join."""

    id = peewee.TextField(primary_key=True)
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    user_id: int
    kind = peewee.TextField()
    digest = peewee.TextField()
    created_at = UtcField(default=now)
    expires_at = UtcField()


class CompanionPass(Row):
    """A device that has joined a companion session, by the digest of its cookie."""

    id = peewee.AutoField()
    session = peewee.ForeignKeyField(CompanionSession, on_delete="CASCADE")
    digest = peewee.TextField(unique=True)


class LiveBroadcast(Row):
    """A broadcast on air. `since`, `boot`, `boot_s`: when its time line began, by the wall's clock and by that boot's; `record`: it
    is to be; `resource`: the WHIP resource of who speaks, made by `access`."""

    id = peewee.TextField(primary_key=True)
    user = peewee.ForeignKeyField(User, on_delete="CASCADE", unique=True)
    user_id: int
    title = peewee.TextField()
    renamed = peewee.BooleanField()
    since = UtcField()
    boot = peewee.TextField()
    boot_s = peewee.FloatField()
    muted = peewee.BooleanField()
    record = peewee.BooleanField()
    denoise = peewee.BooleanField()
    denoiser = peewee.TextField(null=True)
    strength_db = peewee.FloatField(null=True)
    resource = peewee.TextField()
    access = peewee.TextField()
