"""Live broadcasts as rows: written while on air, removed at the end, and found by the next start if the server did not end them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from db.tables import LiveBroadcast, Recording, User


class Remains(NamedTuple):
    """Broadcasts to continue, each with its user and recording, and the ids of ended ones, whose rows are still to be removed."""

    going_on: list[tuple[LiveBroadcast, Recording | None]]
    over: list[str]


def keep(username: str, row: Mapping[str, Any], title: str | None) -> None:
    """Write a user's broadcast, replacing an earlier one; nothing where the user no longer exists.

    title: the new title of its recording ("": none); None: unchanged.
    """
    user = User.get_or_none(User.username == username)
    if user is None:
        return
    LiveBroadcast.insert(user=user, **row).on_conflict_replace().execute()
    if title is not None:
        Recording.update(title=title or None).where((Recording.broadcast == row["id"]) & (Recording.state == "live")).execute()


def forget(identity: str) -> None:
    """Remove a broadcast that has ended."""
    LiveBroadcast.delete().where(LiveBroadcast.id == identity).execute()


def left() -> Remains:
    """What was on air when the last run ended, oldest first. One whose recording is closed had ended."""
    rows = list(LiveBroadcast.select(LiveBroadcast, User).join(User).order_by(LiveBroadcast.since))
    tapes = {tape.broadcast: tape for tape in Recording.select().where(Recording.broadcast.in_([row.id for row in rows]))}
    found = Remains([], [])
    for row in rows:
        tape = tapes.get(row.id)
        if row.record and tape is not None and tape.state != "live":
            found.over.append(row.id)
        else:
            found.going_on.append((row, tape if row.record else None))
    return found
