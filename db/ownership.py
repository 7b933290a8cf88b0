"""Queries for the server's owner. The single row names an account, or nobody.

It never moves by itself: whoever registered first may be a stranger, so with the owner's account goes the ownership, and nobody has
it until it is claimed.
"""

import secrets

import peewee

from db.errors import Denied
from db.tables import Ownership, User


def owner_id() -> int | None:
    """The account that owns the server; None while it has no owner."""
    owner: int | None = _row().user_id
    return owner


def open_nonce() -> str | None:
    """The nonce of the claim while the server has no owner, else None. It changes with each claim."""
    row = _row()
    return None if row.user_id is not None else str(row.nonce)


def is_empty() -> bool:
    """Whether there is no account at all."""
    return User.select(peewee.fn.MIN(User.id)).scalar() is None


def claim(user_id: int, nonce: str) -> None:
    """Make the account the owner by a claim made from `nonce`, which is used up. Raises Denied("bad_claim")."""
    open_still = (Ownership.id == 1) & Ownership.user.is_null() & (Ownership.nonce == nonce)
    if not Ownership.update(user=user_id, nonce=_fresh()).where(open_still).execute():
        raise Denied("bad_claim")


def claim_if_only(user_id: int) -> bool:
    """Make a new account the owner where there is no other account and nobody owns the server. Returns whether it is."""
    if User.select(peewee.fn.MIN(User.id)).scalar() != user_id:  # ids are never reused
        return False
    nobodys = (Ownership.id == 1) & Ownership.user.is_null()
    return bool(Ownership.update(user=user_id, nonce=_fresh()).where(nobodys).execute())


def _row() -> Ownership:
    row: Ownership = Ownership.get_by_id(1)
    return row


def _fresh() -> str:
    return secrets.token_hex(16)
