"""Who is there, and what are they to me?"""

from peewee import Case

from db.models import Block, FriendRequest, Friendship, User

LIMIT = 20


def search(user_id: int, text: str) -> list[tuple[str, str]]:
    """At most 20 accounts whose name contains `text`, best first, as (username, relation).

    relation: none, outgoing, incoming, friend, blocked (by the one who asks; nobody learns of being blocked), self.
    """
    wanted = text.strip()
    if not wanted:
        return []
    rank = Case(None, ((User.username == wanted, 0), (User.username.startswith(wanted), 1)), 2)
    found = list(User.select().where(User.username.contains(wanted)).order_by(rank, User.username).limit(LIMIT))
    relations = _relations(user_id)
    return [(user.username, relations.get(user.id, "none")) for user in found]


def _relations(user_id: int) -> dict[int, str]:
    """The strongest relation to everybody the user has one with."""
    waiting = FriendRequest.status == "pending"
    relations: dict[int, str] = {}
    for request in FriendRequest.select().where(waiting & (FriendRequest.asker == user_id)):
        relations[request.asked_id] = "outgoing"
    for request in FriendRequest.select().where(waiting & (FriendRequest.asked == user_id) & ~FriendRequest.hidden):
        relations[request.asker_id] = "incoming"
    for pair in Friendship.select().where((Friendship.first == user_id) | (Friendship.second == user_id)):
        relations[pair.second_id if pair.first_id == user_id else pair.first_id] = "friend"
    for block in Block.select().where(Block.blocker == user_id):
        relations[block.blocked_id] = "blocked"
    return relations | {user_id: "self"}
