"""Locks on rows until the transaction ends, for what is read and then written.

SQLite has one writer at a time (BEGIN IMMEDIATE), so there it takes none. Who locks several takes users first, lower ids first, then
epochs, then recordings, then parts, so that no two transactions wait for each other.
"""

from typing import Any, TypeVar

import peewee

from db.bound import TABLES
from db.tables import User

M = TypeVar("M", bound=peewee.Model)
SHARED: Any = "FOR NO KEY UPDATE"  # rows that refer to these can be added meanwhile
WHOLE: Any = "FOR UPDATE"


def hold(rows: "peewee.ModelSelect[M]") -> "peewee.ModelSelect[M]":
    """The same question, which locks the rows that it finds; another transaction that wants to change or lock them waits."""
    return rows.for_update(SHARED) if TABLES.for_update else rows


def hold_users(*user_ids: int) -> None:
    """Lock these accounts: what depends on their other rows (how many, whether there is one) stays true until the end."""
    if TABLES.for_update:
        rows = User.select(User.id).where(User.id.in_(sorted(user_ids))).order_by(User.id)
        list(hold(rows).tuples())


def hold_user_whole(user_id: int) -> None:
    """Lock an account against new rows that refer to it, too: it is going to be deleted."""
    if TABLES.for_update:
        list(User.select(User.id).where(User.id == user_id).for_update(WHOLE).tuples())
