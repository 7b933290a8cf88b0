"""What a new password revokes: whoever had the old one may have created other ways in."""

from typing import NamedTuple

from db import companions, logins
from db.errors import Clash
from db.tables import Invite, ListenLink, Token, User


class Revoked(NamedTuple):
    """The ids of what was revoked."""

    logins: list[int]
    tokens: list[int]
    links: list[int]


def change_password(user: User, password_hash: str, kept_login: int | None, revoke: bool) -> Revoked:
    """Set a new password and end companion sessions and all logins but `kept_login`; `revoke`: also tokens, links, invites.

    user: as the old password was right for it. Raises Clash("password_changed") where somebody was quicker: two who know the old one
    do not overwrite each other's.
    """
    same = (User.id == user.id) & (User.password_hash == user.password_hash)
    if not User.update(password_hash=password_hash).where(same).execute():
        raise Clash("password_changed")
    user_id = user.id
    ended = logins.remove_others(user_id, kept_login or 0)
    companions.remove_of(user_id)
    if not revoke:
        return Revoked(ended, [], [])
    tokens = [token.id for token in Token.select(Token.id).where(Token.user == user_id)]
    links = [link.id for link in ListenLink.select(ListenLink.id).where(ListenLink.user == user_id)]
    for table in (Token, ListenLink, Invite):
        table.delete().where(table.user == user_id).execute()
    return Revoked(ended, tokens, links)
