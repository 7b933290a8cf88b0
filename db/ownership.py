"""Queries for the server's owner. The single row names an account, or nobody.

It never moves by itself: whoever registered first may be a stranger, so with the owner's account goes the ownership, and nobody has
it until it is claimed.
"""

import secrets

import peewee

from db.errors import Clash, Denied
from db.locks import hold
from db.tables import Ownership, User


def owner_id() -> int | None:
    """The account that owns the server; None while it has no owner."""
    owner: int | None = _row().user_id
    return owner


def held_owner_id() -> int | None:
    """As owner_id, in a transaction that writes: nobody else becomes the owner before its end."""
    owner: int | None = hold(Ownership.select().where(Ownership.id == 1)).get().user_id
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
    held_owner_id()
    if User.select(peewee.fn.MIN(User.id)).scalar() != user_id:  # ids are never reused
        return False
    nobodys = (Ownership.id == 1) & Ownership.user.is_null()
    return bool(Ownership.update(user=user_id, nonce=_fresh()).where(nobodys).execute())


def hand_over(owner_id: int, user_id: int) -> None:
    """The owner makes another account the owner. Raises Denied("not_owner") where somebody else owns the server by now."""
    owned = (Ownership.id == 1) & (Ownership.user == owner_id)
    if not Ownership.update(user=user_id, nonce=_fresh()).where(owned).execute():
        raise Denied("not_owner")


def check_may_leave(user_id: int) -> None:
    """Raises Clash("name_an_owner") for an owner who wants to leave while others are there.

    Accounts that are suspended do not count: none of them could be named.
    """
    if held_owner_id() == user_id and User.select().where((User.id != user_id) & ~User.suspended).exists():
        raise Clash("name_an_owner")


def _row() -> Ownership:
    row: Ownership = Ownership.get_by_id(1)
    return row


def _fresh() -> str:
    return secrets.token_hex(16)
