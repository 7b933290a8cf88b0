"""Queries for friendships, friend requests and blocks."""

from collections.abc import Collection, Iterable
from typing import NamedTuple, cast

import peewee

from db.caps import BLOCKS, FRIENDS, PAGE, REQUESTS, check_room, newest
from db.errors import Clash, Denied, Missing
from db.locks import hold_users
from db.tables import FriendRequest, Friendship, User, UserBlock, now

PAIRS = 500  # asked for by one question


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
    asked = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
    friends: set[tuple[int, int]] = set()
    for place in range(0, len(asked), PAIRS):
        firsts, seconds = ({pair[side] for pair in asked[place : place + PAIRS]} for side in (0, 1))
        among_them = Friendship.first.in_(list(firsts)) & Friendship.second.in_(list(seconds))
        rows = Friendship.select(Friendship.first, Friendship.second).where(among_them).tuples()
        friends.update(cast(Iterable[tuple[int, int]], rows))
    return [pair for pair in pairs if pair[0] != pair[1] and (min(pair), max(pair)) not in friends]


def friends_of(user_id: int, after: str | None = None, limit: int = FRIENDS) -> list[User]:
    """A user's friends by name, those after the name `after`. More than FRIENDS only if they are older than that limit."""
    firsts = Friendship.select(Friendship.first).where(Friendship.second == user_id)
    seconds = Friendship.select(Friendship.second).where(Friendship.first == user_id)
    rows = User.select().where(User.id.in_(firsts.union_all(seconds)))
    if after is not None:
        rows = rows.where(User.username > after)
    return list(rows.order_by(User.username.folded()).limit(limit))


def among(user_id: int, names: Collection[str]) -> list[User]:
    """Those of these names who are friends of the user, and the user, regardless of case, by name."""
    rows = User.select().where(User.username.in_(list(names)))
    return [named for named in rows.order_by(User.username.folded()) if named.id == user_id or are_friends(user_id, named.id)]


def ask(asker: int, asked: int) -> RequestOutcome:
    """Ask for friendship; accepted at once if the other had asked. Raises Clash already_friends, already_requested, blocked,

    limit_reached. Of earlier answered requests the last one stays.
    """
    hold_users(asker, asked)
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
    request = _held(request_id, FriendRequest.asker)
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


class Withdrawn(NamedTuple):
    """A withdrawn request and whom it had asked. `heard`: that one knew of it."""

    asked: User
    heard: bool


def withdraw(request_id: int, user_id: int) -> Withdrawn:
    """Take back one's own request. Raises Missing not_found, Denied not_allowed, Clash already_answered."""
    request = _held(request_id, FriendRequest.asked)
    if request is None or (request.hidden and request.asked_id == user_id):
        raise Missing("not_found")
    if request.asker_id != user_id:
        raise Denied("not_allowed")
    if request.status != "pending":
        raise Clash("already_answered")
    withdrawn = Withdrawn(request.asked, not request.hidden)
    request.delete_instance()
    return withdrawn


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


def newest_request() -> int:
    """The id of the newest friend request, 0 where there is none."""
    return FriendRequest.select(peewee.fn.MAX(FriendRequest.id)).scalar() or 0


def asked_after(request_id: int) -> list[FriendRequest]:
    """The pending requests newer than this one that their receivers see, each with its two users; at most the 1,000 newest."""
    asker, asked = User.alias(), User.alias()
    rows = FriendRequest.select(FriendRequest, asker, asked).join(asker, on=FriendRequest.asker).switch(FriendRequest)
    rows = rows.join(asked, on=FriendRequest.asked)
    rows = rows.where((FriendRequest.id > request_id) & (FriendRequest.status == "pending") & ~FriendRequest.hidden)
    return list(rows.order_by(FriendRequest.id.desc()).limit(1000))


def befriend(one: int, other: int) -> None:
    """Make the two friends, if they are not yet; accepts requests between them. Raises Clash limit_reached."""
    low, high = sorted((one, other))
    hold_users(low, high)
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
    hold_users(blocker, blocked)
    if not has_blocked(blocker, blocked):
        check_room(UserBlock.select().where(UserBlock.blocker == blocker), BLOCKS)
    UserBlock.insert(blocker=blocker, blocked=blocked, created_at=now()).on_conflict_ignore().execute()
    for request in list(_pending(blocker, blocked)):
        request.delete_instance()
    waiting = (FriendRequest.asker == blocked) & (FriendRequest.asked == blocker) & (FriendRequest.status == "pending")
    FriendRequest.update(hidden=True).where(waiting).execute()
    return unfriend(blocker, blocked)


def blocked_by(user_id: int, after: str | None = None, limit: int = BLOCKS) -> list[User]:
    """Whom a user has blocked, by name, those after the name `after`."""
    rows = User.select().where(User.id.in_(UserBlock.select(UserBlock.blocked).where(UserBlock.blocker == user_id)))
    if after is not None:
        rows = rows.where(User.username > after)
    return list(rows.order_by(User.username.folded()).limit(limit))


def unblock(blocker: int, blocked: int) -> None:
    """End a block. Hidden requests are deleted, so that they can be made again."""
    hold_users(blocker, blocked)
    UserBlock.delete().where((UserBlock.blocker == blocker) & (UserBlock.blocked == blocked)).execute()
    FriendRequest.delete().where((FriendRequest.asker == blocked) & (FriendRequest.asked == blocker) & FriendRequest.hidden).execute()


def _held(request_id: int, with_user: peewee.Field) -> FriendRequest | None:
    """A request with one of its users, of whom nothing changes until the end."""
    between = FriendRequest.select(FriendRequest.asker, FriendRequest.asked).where(FriendRequest.id == request_id).tuples().first()
    if between is None:
        return None
    hold_users(*between)
    rows = FriendRequest.select(FriendRequest, User).join(User, on=with_user)
    found: FriendRequest | None = rows.where(FriendRequest.id == request_id).first()
    return found


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
