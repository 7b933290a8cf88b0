"""Queries for the log of what was done to accounts of others: by the server's owner, or by whoever has its machine.

The newest ten thousand acts are kept, however old: time alone deletes none, for the clock may be wrong. An act is written in the
transaction that does it, so neither is there without the other.
"""

from typing import Literal

from db.caps import PAGE, newest
from db.owner_tables import AuditEntry

Act = Literal["reset_link", "password", "suspended", "readmitted", "removed", "logged_out", "owner"]

KEPT = 10_000
HOST = ""  # as an actor: the command line, which has no account


def note(actor: str, act: Act, about: str) -> None:
    """To be called in the transaction that does it. actor, about: usernames, which stay when the accounts are gone; actor HOST."""
    made = AuditEntry.create(actor=actor, act=act, about=about)
    AuditEntry.delete().where(AuditEntry.id <= made.id - KEPT).execute()


def entries(before: int | None = None, limit: int = PAGE) -> list[AuditEntry]:
    """The acts, newest first: those before an id."""
    return list(newest(AuditEntry.select(), AuditEntry.id, before, limit))
