"""Queries for preferences: one JSON text an account, whose meaning is the client's own."""

import hashlib
from collections.abc import Collection

from db.locks import hold_users
from db.tables import Preferences

NONE = "{}"  # of an account that has stored nothing


def of_user(user_id: int) -> str:
    """The preferences as they were stored; NONE where there are none."""
    row = Preferences.get_or_none(Preferences.user == user_id)
    return NONE if row is None else str(row.content)


def replace(user_id: int, content: str, tags: Collection[str]) -> bool:
    """Store `content` if the present preferences have one of these tags, or `*` is among them. Returns whether they were stored."""
    hold_users(user_id)
    if "*" not in tags and tag_of(of_user(user_id)) not in tags:
        return False
    storing = Preferences.insert(user=user_id, content=content)
    storing.on_conflict(conflict_target=[Preferences.user], preserve=[Preferences.content]).execute()
    return True


def tag_of(content: str) -> str:
    """The entity tag of a text: the same text has the same one."""
    return hashlib.sha256(content.encode()).hexdigest()[:32]
