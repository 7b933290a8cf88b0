"""Queries for recovery codes: each sets a new password once. Only digests are stored, made with a key that is not in the database."""

from collections.abc import Collection

from db.locks import hold_users
from db.owner_tables import RecoveryCode

CODES = 10


def replace(user_id: int, digests: Collection[str]) -> None:
    """Store new codes; the ones before are void."""
    hold_users(user_id)
    void(user_id)
    for digest in digests:
        RecoveryCode.create(user=user_id, digest=digest)


def void(user_id: int) -> None:
    """No code of the account sets a password any more."""
    RecoveryCode.delete().where(RecoveryCode.user == user_id).execute()


def left(user_id: int) -> int:
    """How many are unused."""
    return int(RecoveryCode.select().where(RecoveryCode.user == user_id).count())


def has(user_id: int, digest: str) -> bool:
    """Whether this is an unused code of the account."""
    return bool(RecoveryCode.select().where((RecoveryCode.user == user_id) & (RecoveryCode.digest == digest)).exists())


def take(user_id: int, digest: str) -> bool:
    """Use a code up; False where it is none, or used already."""
    return bool(RecoveryCode.delete().where((RecoveryCode.user == user_id) & (RecoveryCode.digest == digest)).execute())
