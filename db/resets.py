"""Queries for links that set a new password: one an account, by digest, for a day and for one use."""

from datetime import timedelta

from db.expiry import is_good
from db.locks import hold, hold_users
from db.owner_tables import PasswordReset
from db.tables import User, now

LIFE = timedelta(days=1)


def put(user_id: int, digest: str) -> None:
    """Store a new link of an account; the one before is void."""
    void(user_id)
    PasswordReset.create(user=user_id, digest=digest, expires_at=now() + LIFE)


def void(user_id: int) -> None:
    """The account's link, if there is one, sets no password any more."""
    PasswordReset.delete().where(PasswordReset.user == user_id).execute()


def void_all() -> None:
    """No link that was made before sets a password any more, whoever's."""
    PasswordReset.delete().execute()


def find(digest: str) -> User | None:
    """Whose password the link with this digest sets; None where there is no such link, or no longer."""
    good = (PasswordReset.digest == digest) & is_good(PasswordReset.created_at, PasswordReset.expires_at)
    found: PasswordReset | None = PasswordReset.select(PasswordReset, User).join(User).where(good).first()
    return None if found is None else found.user


def take(digest: str) -> User | None:
    """Use the link up: as `find`, once."""
    whose = PasswordReset.select(PasswordReset.user).where(PasswordReset.digest == digest)
    hold_users(*(row.user_id for row in whose))
    if hold(PasswordReset.select().where(PasswordReset.digest == digest)).first() is None:
        return None
    user = find(digest)
    PasswordReset.delete().where(PasswordReset.digest == digest).execute()
    return user
