"""What a new password revokes: whoever had the old one may have created other ways in."""

from typing import NamedTuple

from db import companions, logins, recovery, resets
from db.errors import Clash, Missing
from db.tables import Invite, ListenLink, Token, User


class Renewed(NamedTuple):
    """An account with its new password, and the ids of the logins that have ended."""

    user: User
    logins: list[int]


class Revoked(NamedTuple):
    """The ids of what was revoked."""

    logins: list[int]
    tokens: list[int]
    links: list[int]


def change_password(user: User, password_hash: str, kept_login: int | None, revoke: bool) -> Revoked:
    """Set a new password and end companion sessions, a reset link and all logins but `kept_login`.

    revoke: tokens, listen links, invites and recovery codes too. user: as the old password was right for it. Raises
    Clash("password_changed") where somebody was quicker: two who know the old one do not overwrite each other's.
    """
    same = (User.id == user.id) & (User.password_hash == user.password_hash)
    if not User.update(password_hash=password_hash).where(same).execute():
        raise Clash("password_changed")
    user_id = user.id
    ended = logins.remove_others(user_id, kept_login or 0)
    companions.remove_of(user_id)
    resets.void(user_id)
    if not revoke:
        return Revoked(ended, [], [])
    tokens = [token.id for token in Token.select(Token.id).where(Token.user == user_id)]
    links = [link.id for link in ListenLink.select(ListenLink.id).where(ListenLink.user == user_id)]
    for table in (Token, ListenLink, Invite):
        table.delete().where(table.user == user_id).execute()
    recovery.void(user_id)
    return Revoked(ended, tokens, links)


def reset_password(digest: str, password_hash: str) -> Renewed:
    """Set a new password by a reset link, which is used up; logins, companion sessions and recovery codes end.

    Raises Missing("not_found").
    """
    user = resets.take(digest)
    if user is None:
        raise Missing("not_found")
    recovery.void(user.id)
    return _renewed(user, password_hash)


def recover_password(user: User, digest: str, password_hash: str) -> Renewed | None:
    """Set a new password by a recovery code, which is used up; logins, companion sessions and a reset link end.

    None: it is no unused code.
    """
    return _renewed(user, password_hash) if recovery.take(user.id, digest) else None


def _renewed(user: User, password_hash: str) -> Renewed:
    User.update(password_hash=password_hash).where(User.id == user.id).execute()
    user.password_hash = password_hash
    companions.remove_of(user.id)
    resets.void(user.id)
    return Renewed(user, logins.remove_of(user.id))
