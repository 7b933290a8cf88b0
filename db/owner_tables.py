"""More tables as classes, beside `db.tables`: ways back in without the password, and the log of acts."""

import peewee

from db.columns import UtcField
from db.tables import Row, User, now


class PasswordReset(Row):
    """A link that sets a new password, by digest; one an account."""

    user = peewee.ForeignKeyField(User, on_delete="CASCADE", primary_key=True)
    user_id: int
    digest = peewee.TextField(unique=True)
    created_at = UtcField(default=now)
    expires_at = UtcField()


class RecoveryCode(Row):
    """A code with which its account gets a new password once, by digest."""

    id = peewee.AutoField()
    user = peewee.ForeignKeyField(User, on_delete="CASCADE", backref="+")
    user_id: int
    digest = peewee.TextField()


class AuditEntry(Row):
    """One act of `actor`, "" for the command line, on the account `about`: names, which stay when the accounts are gone."""

    id = peewee.AutoField()
    at = UtcField(default=now)
    actor = peewee.TextField()
    act = peewee.TextField()
    about = peewee.TextField()


TABLES: tuple[type[Row], ...] = (PasswordReset, RecoveryCode, AuditEntry)
