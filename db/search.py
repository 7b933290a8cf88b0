"""Searches accounts by a part of their name, with their relation to the user."""

from collections.abc import Collection

import peewee

from db.tables import FriendRequest, Friendship, NamePart, User, UserBlock

LIMIT = 20
LONGEST_NAME = 32
LAST = "\U0010ffff"  # sorts after every letter of a name


def search(user_id: int, text: str) -> list[tuple[str, str]]:
    """At most 20 accounts whose name contains `text`, best first, as (username, relation).

    relation: none, outgoing, incoming, friend, blocked (by the one who asks; nobody learns of being blocked), self.
    """
    wanted = text.strip()
    if not wanted:
        return []
    found: dict[int, str] = {}
    for some in (_named(wanted), _beginning_with(wanted), _containing(wanted)):
        for number, username in some:
            if len(found) < LIMIT:
                found.setdefault(number, username)
    relations = _relations(user_id, list(found)) if found else {}
    return [(username, relations.get(number, "none")) for number, username in found.items()]


def _named(wanted: str) -> list[tuple[int, str]]:
    return _rows(User.select(User.id, User.username).where(User.username == wanted))


def _beginning_with(wanted: str) -> list[tuple[int, str]]:
    rows = User.select(User.id, User.username).where(_begins(User.username, wanted))
    return _rows(rows.order_by(User.username.folded()).limit(LIMIT))


def _containing(wanted: str) -> list[tuple[int, str]]:
    """Matches after a name's first letter, by name. A name may have a part several times ("aaaa" has "a" thrice)."""
    parts = NamePart.select(NamePart.user).where(_begins(NamePart.part, wanted)).order_by(NamePart.part.folded())
    numbers = list(dict.fromkeys(part.user_id for part in parts.limit(LIMIT * LONGEST_NAME)))[: 2 * LIMIT]
    if not numbers:
        return []
    return _rows(User.select(User.id, User.username).where(User.id.in_(numbers)).order_by(User.username.folded()))


def _rows(users: "peewee.ModelSelect[User]") -> list[tuple[int, str]]:
    return [(user.id, user.username) for user in users]


def _begins(field: peewee.Field, wanted: str) -> peewee.Expression:
    """A case-insensitive prefix condition that uses an index, and gives % and _ no special meaning."""
    begins: peewee.Expression = (field >= wanted) & (field < wanted + LAST)
    return begins


def _relations(user_id: int, others: Collection[int]) -> dict[int, str]:
    """The user's strongest relation to each of these, where there is one."""
    waiting = FriendRequest.status == "pending"
    relations: dict[int, str] = {}
    for request in FriendRequest.select().where(waiting & (FriendRequest.asker == user_id) & FriendRequest.asked.in_(others)):
        relations[request.asked_id] = "outgoing"
    asked = (FriendRequest.asked == user_id) & FriendRequest.asker.in_(others)
    for request in FriendRequest.select().where(waiting & asked & ~FriendRequest.hidden):
        relations[request.asker_id] = "incoming"
    seconds = (Friendship.first == user_id) & Friendship.second.in_(others)
    for pair in Friendship.select().where(seconds | ((Friendship.second == user_id) & Friendship.first.in_(others))):
        relations[pair.second_id if pair.first_id == user_id else pair.first_id] = "friend"
    for block in UserBlock.select().where((UserBlock.blocker == user_id) & UserBlock.blocked.in_(others)):
        relations[block.blocked_id] = "blocked"
    return relations | {user_id: "self"}
