"""The tables as classes. Constraints are in the schema (migrations/); here are the names and the Python types."""

from collections.abc import Sequence
from datetime import UTC, datetime

import peewee

from db.bound import TABLES
from db.columns import JsonField, NameField, UtcField


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


class Row(peewee.Model):
    """Base class of the tables, which are in the database that the calling thread works with."""

    class Meta:
        database = TABLES
        legacy_table_names = False


class User(Row):
    """An account. Names are unique regardless of case, and stored as they were entered. `epoch`: the newest of its broadcasts'.

    `suspended`: the server's owner has suspended it; nothing that it has opens anything until that is lifted.
    """

    id = peewee.AutoField()
    username = NameField(unique=True)
    password_hash = peewee.TextField()
    created_at = UtcField(default=now)
    epoch = peewee.IntegerField(default=0)
    suspended = peewee.BooleanField(default=False)


class Ownership(Row):
    """One row: the server's owner, null while it has none. `nonce`: of the claim; renewed by each claim."""

    id = peewee.AutoField()
    user = peewee.ForeignKeyField(User, null=True, on_delete="SET NULL", backref="+")
    user_id: int | None
    nonce = peewee.TextField()


class Preferences(Row):
    """What an account wants the page to remember, as JSON text. `content` has the form that the client sent."""

    user = peewee.ForeignKeyField(User, on_delete="CASCADE", primary_key=True)
    user_id: int
    content = peewee.TextField()


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
    """An invitation, by digest. `uses` and `expires_at` null: no limit. `nonce`: from which its code is derived."""

    id = peewee.AutoField()
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    user_id: int
    digest = peewee.TextField(unique=True)
    uses = peewee.IntegerField(null=True)
    used = peewee.IntegerField(default=0)
    nonce = peewee.TextField(null=True)
    created_at = UtcField(default=now)
    expires_at = UtcField(null=True)


class ListenLink(Row):
    """A link to hear this user's live broadcast without an account, by digest. `nonce`: from which its secret is derived."""

    id = peewee.AutoField()
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    user_id: int
    digest = peewee.TextField(unique=True)
    nonce = peewee.TextField(null=True)
    created_at = UtcField(default=now)
    expires_at = UtcField(null=True)


class Recording(Row):
    """One recorded broadcast, or a part of one. `broadcast`: its id, for later parts with where they began.
    `variants`: list of names; `chapters`: list of {at_s, kind, text}; `folder`: where the files are.

    `spans`: list of {from_s, to_s, kind, reason}, known when it is finalised, as is `denoised_share` in [0, 1].
    `deleted_at`: it lies in the trash. `counts_from`: from when its days count, those in the trash (null: from the next trusted
    time) or, where it was restored, those of `recording.keep_days` (null: from `started_at`). `recounted`: they began anew once.
    `node`: the server that has the files, "" where there is one. `parts`: no column; `db.recording_parts.fill_in` loads them.
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
    node = peewee.TextField(default="")
    parts: Sequence["RecordingPart"] = ()


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


class RecordingPart(Row):
    """What one owner of a broadcast has recorded of it: `node` under `epoch`, seconds `from_s` to `to_s` of the recording.

    `to_s` and `sha256` are null until its files are closed; the digest is `workers.recordings.part.digest`'s, null where nothing was
    there. `folder`: where its files lie at `node`, apart from the recording's; null: they are the recording's own, or joined with them.
    """

    id = peewee.AutoField()
    recording = peewee.ForeignKeyField(Recording, on_delete="CASCADE", backref="+")
    recording_id: int
    node = peewee.TextField()
    epoch = peewee.IntegerField()
    from_s = peewee.FloatField()
    to_s = peewee.FloatField(null=True)
    sha256 = peewee.TextField(null=True)
    folder = peewee.TextField(null=True)
    size_bytes = peewee.IntegerField(default=0)


class NamePart(Row):
    """A suffix of a name, for the search by a part of it. A trigger adds them for each new account."""

    part = NameField()
    user = peewee.ForeignKeyField(User, on_delete="CASCADE", backref="+")
    user_id: int

    class Meta:
        primary_key = peewee.CompositeKey("part", "user")


class DiscardedFolder(Row):
    """A folder to be deleted, by `node` of several; its recording's row is deleted already. place: where its files are in S3, or ""."""

    folder = peewee.TextField(primary_key=True)
    node = peewee.TextField(default="")
    place = peewee.TextField(default="")


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
    is to be; `resource`: the media session of who speaks, made by `access`; `tape`: what its recording has as `broadcast`; `origin`:
    where on the time line that one began, in samples; `node`: the server that has it, "" where there is one."""

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
    tape = peewee.TextField(default="")
    origin = peewee.IntegerField(default=0)
    node = peewee.TextField(default="")
    epoch = peewee.IntegerField(null=True)
    zero_s = peewee.FloatField(null=True)


class BroadcastEpoch(Row):
    """The newest epoch of a broadcast, on air or over; whoever has a lower one writes nothing about it any more."""

    broadcast = peewee.TextField(primary_key=True)
    user = peewee.ForeignKeyField(User, on_delete="CASCADE", backref="+")
    user_id: int
    epoch = peewee.IntegerField()


def of_node(table: type[Recording | LiveBroadcast | DiscardedFolder], node: str) -> peewee.Node:
    """The rows of one of several servers; all where `node` is "": there is one."""
    return table.node == node if node else peewee.SQL("1 = 1")
