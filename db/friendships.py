"""Queries for friendships, friend requests and blocks."""

from collections.abc import Collection
from typing import NamedTuple

import peewee

from db.caps import BLOCKS, FRIENDS, PAGE, REQUESTS, check_room, newest
from db.errors import Clash, Denied, Missing
from db.tables import FriendRequest, Friendship, User, UserBlock, now


class RequestOutcome(NamedTuple):
    """The result of a request. `heard`: the other user is notified."""

    id: int
    status: str
    heard: bool


class Answered(NamedTuple):
    """An answered request and its requester."""

    id: int
    status: str
    asker: User


class PendingRequests(NamedTuple):
    """The pending requests, newest first, each with its two users."""

    incoming: list[FriendRequest]
    outgoing: list[FriendRequest]


def are_friends(one: int, other: int) -> bool:
    """Whether the two are friends."""
    return bool(_pair(one, other).exists())


def parted(pairs: Collection[tuple[int, int]]) -> list[tuple[int, int]]:
    """Which of these pairs are two different users who are not friends."""
    return [(one, other) for one, other in pairs if one != other and not are_friends(one, other)]


def friends_of(user_id: int, after: str | None = None, limit: int = FRIENDS) -> list[User]:
    """A user's friends by name, those after the name `after`. More than FRIENDS only if they are older than that limit."""
    firsts = Friendship.select(Friendship.first).where(Friendship.second == user_id)
    seconds = Friendship.select(Friendship.second).where(Friendship.first == user_id)
    rows = User.select().where(User.id.in_(firsts.union_all(seconds)))
    if after is not None:
        rows = rows.where(User.username > after)
    return list(rows.order_by(User.username).limit(limit))


def ask(asker: int, asked: int) -> RequestOutcome:
    """Ask for friendship; accepted at once if the other had asked. Raises Clash already_friends, already_requested, blocked,

    limit_reached. Of earlier answered requests the last one stays.
    """
    if are_friends(asker, asked):
        raise Clash("already_friends")
    if has_blocked(asker, asked):
        raise Clash("blocked")
    theirs = _pending(asked, asker).where(~FriendRequest.hidden).first()
    if theirs is not None:
        _answer(theirs, "accepted")
        befriend(asker, asked)
        return RequestOutcome(theirs.id, "accepted", True)
    if _pending(asker, asked).exists():
        raise Clash("already_requested")
    check_room(FriendRequest.select().where((FriendRequest.asker == asker) & (FriendRequest.status == "pending")), REQUESTS)
    _forget_answered(asker, asked)
    hidden = has_blocked(asked, asker)
    made = FriendRequest.create(asker=asker, asked=asked, hidden=hidden)
    return RequestOutcome(made.id, made.status, not hidden)


def answer(request_id: int, user_id: int, accept: bool) -> Answered:
    """Answer a request. Raises Missing not_found, Denied not_allowed, Clash already_answered, limit_reached."""
    request = FriendRequest.select(FriendRequest, User).join(User, on=FriendRequest.asker).where(FriendRequest.id == request_id).first()
    if request is None or (request.hidden and request.asked_id == user_id):
        raise Missing("not_found")
    if request.asked_id != user_id:
        raise Denied("not_allowed")
    if request.status != "pending":
        raise Clash("already_answered")
    _answer(request, "accepted" if accept else "rejected")
    if accept:
        befriend(request.asker_id, user_id)
    return Answered(request.id, request.status, request.asker)


def pending(user_id: int, before: int | None = None, limit: int = PAGE) -> PendingRequests:
    """The pending requests to and from a user, a page of each; only the requester sees hidden ones."""
    waiting = FriendRequest.status == "pending"
    asker, asked = User.alias(), User.alias()
    rows = FriendRequest.select(FriendRequest, asker, asked).join(asker, on=FriendRequest.asker).switch(FriendRequest)
    rows = rows.join(asked, on=FriendRequest.asked)
    incoming = rows.where(waiting & (FriendRequest.asked == user_id) & ~FriendRequest.hidden)
    outgoing = rows.where(waiting & (FriendRequest.asker == user_id))
    ours, theirs = (list(newest(each, FriendRequest.id, before, limit)) for each in (outgoing, incoming))
    return PendingRequests(incoming=theirs, outgoing=ours)


def befriend(one: int, other: int) -> None:
    """Make the two friends, if they are not yet; accepts requests between them. Raises Clash limit_reached."""
    low, high = sorted((one, other))
    if not are_friends(one, other):
        for each in (one, other):
            check_room(Friendship.select().where((Friendship.first == each) | (Friendship.second == each)), FRIENDS)
    Friendship.insert(first=low, second=high, created_at=now()).on_conflict_ignore().execute()
    for request in list(_pending(one, other)) + list(_pending(other, one)):
        _answer(request, "accepted")


def unfriend(one: int, other: int) -> bool:
    """End the friendship; False where there was none."""
    low, high = sorted((one, other))
    return bool(Friendship.delete().where((Friendship.first == low) & (Friendship.second == high)).execute())


def has_blocked(blocker: int, blocked: int) -> bool:
    """Whether the first has blocked the second."""
    return bool(UserBlock.select().where((UserBlock.blocker == blocker) & (UserBlock.blocked == blocked)).exists())


def block(blocker: int, blocked: int) -> bool:
    """Block somebody: ends the friendship, withdraws one's own request, hides theirs. Returns whether they were friends.

    Raises Clash limit_reached.
    """
    if not has_blocked(blocker, blocked):
        check_room(UserBlock.select().where(UserBlock.blocker == blocker), BLOCKS)
    UserBlock.insert(blocker=blocker, blocked=blocked, created_at=now()).on_conflict_ignore().execute()
    for request in list(_pending(blocker, blocked)):
        request.delete_instance()
    waiting = (FriendRequest.asker == blocked) & (FriendRequest.asked == blocker) & (FriendRequest.status == "pending")
    FriendRequest.update(hidden=True).where(waiting).execute()
    return unfriend(blocker, blocked)


def unblock(blocker: int, blocked: int) -> None:
    """End a block. Hidden requests are deleted, so that they can be made again."""
    UserBlock.delete().where((UserBlock.blocker == blocker) & (UserBlock.blocked == blocked)).execute()
    FriendRequest.delete().where((FriendRequest.asker == blocked) & (FriendRequest.asked == blocker) & FriendRequest.hidden).execute()


def _pair(one: int, other: int):  # type: ignore[no-untyped-def]
    low, high = sorted((one, other))
    return Friendship.select().where((Friendship.first == low) & (Friendship.second == high))


def _pending(asker: int, asked: int):  # type: ignore[no-untyped-def]
    rows = FriendRequest.select()
    return rows.where((FriendRequest.asker == asker) & (FriendRequest.asked == asked) & (FriendRequest.status == "pending"))


def _forget_answered(asker: int, asked: int) -> None:
    """Delete answered requests but the last one, so that repeated requests and rejections do not fill the table."""
    answered = (FriendRequest.asker == asker) & (FriendRequest.asked == asked) & (FriendRequest.status != "pending")
    last = FriendRequest.select(peewee.fn.MAX(FriendRequest.id)).where(answered).scalar()
    FriendRequest.delete().where(answered & (FriendRequest.id != last)).execute()


def _answer(request: FriendRequest, status: str) -> None:
    request.status, request.answered_at = status, now()
    request.save()
