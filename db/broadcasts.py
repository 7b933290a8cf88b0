"""What is on air, in rows: written while it is, removed when it ends, found by the next start where the server did not get to that."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from db.tables import LiveBroadcast, Recording, User


class Remains(NamedTuple):
    """What goes on, each with its user and its recording, and the ids of what was over: their rows are still to be removed."""

    going_on: list[tuple[LiveBroadcast, Recording | None]]
    over: list[str]


def keep(username: str, row: Mapping[str, Any], title: str | None) -> None:
    """Write a user's broadcast, instead of what was there of that user's; nothing where there is no such user any more.

    title: its recording is called so from now on ("": it has none); None: as it is.
    """
    user = User.get_or_none(User.username == username)
    if user is None:
        return
    LiveBroadcast.insert(user=user, **row).on_conflict_replace().execute()
    if title is not None:
        Recording.update(title=title or None).where((Recording.broadcast == row["id"]) & (Recording.state == "live")).execute()


def forget(identity: str) -> None:
    """It has ended."""
    LiveBroadcast.delete().where(LiveBroadcast.id == identity).execute()


def left() -> Remains:
    """What was on air when the last run ended, the first to begin first. One whose recording is closed already was over."""
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
