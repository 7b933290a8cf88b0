"""Queries for bearer tokens. Only digests are stored."""

from collections.abc import Collection
from datetime import timedelta

from db.caps import PAGE, TOKENS, check_room, newest
from db.errors import Missing
from db.locks import hold_users
from db.tables import Token, User, now

TOUCH_AFTER = timedelta(minutes=1)


def add(user_id: int, name: str, scopes: list[str], digest: str) -> Token:
    """Store a new token. Raises Clash("limit_reached")."""
    hold_users(user_id)
    check_room(Token.select().where(Token.user == user_id), TOKENS)
    added: Token = Token.create(user=user_id, name=name, scopes=scopes, digest=digest)
    return added


def of_user(user_id: int, before: int | None = None, limit: int = PAGE) -> list[Token]:
    """A user's tokens, newest first: those before an id."""
    return list(newest(Token.select().where(Token.user == user_id), Token.id, before, limit))


def remove(user_id: int, token_id: int) -> None:
    """Revoke a token. Raises Missing where the user has none of that id."""
    if not Token.delete().where((Token.user == user_id) & (Token.id == token_id)).execute():
        raise Missing("not_found")


def gone(token_ids: Collection[int]) -> set[int]:
    """Which of these tokens no longer exist, or belong to somebody who is suspended."""
    there = Token.select(Token.id).join(User).where(Token.id.in_(list(token_ids)) & ~User.suspended)
    return set(token_ids) - {token.id for token in there}


def find(digest: str) -> Token | None:
    """The token with a digest, and its user."""
    found: Token | None = Token.select(Token, User).join(User).where(Token.digest == digest).first()
    return found


def is_stale(token: Token) -> bool:
    """Whether the time of last use should be updated."""
    return bool(token.last_used_at is None or now() - token.last_used_at > TOUCH_AFTER)


def touch(token_id: int) -> None:
    """Update the time of last use."""
    Token.update(last_used_at=now()).where(Token.id == token_id).execute()
