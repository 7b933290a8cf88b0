"""Live broadcasts as rows: written while on air, removed at the end, and found by the next start if the server did not end them."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import peewee

from db import epochs
from db.bound import TABLES
from db.columns import EitherWay
from db.locks import hold
from db.tables import LiveBroadcast, Recording, User, of_node


class Remains(NamedTuple):
    """Broadcasts to continue, each with its user and recording, and the ids of ended ones, whose rows are still to be removed."""

    going_on: list[tuple[LiveBroadcast, Recording | None]]
    over: list[str]


def keep(username: str, row: Mapping[str, Any], title: str | None, epoch: int | None = None) -> None:
    """Write a user's broadcast, replacing an earlier one; nothing where the user no longer exists. Raises StaleEpoch.

    title: the new title of its recording ("": none); None: unchanged. epoch: under which it is owned, of several servers.
    """
    user = hold(User.select().where(User.username == username)).first()  # before the epoch, as `take` does
    epochs.check(row["id"], epoch)
    if user is None:
        return
    LiveBroadcast.delete().where((LiveBroadcast.id == row["id"]) | (LiveBroadcast.user == user)).execute()
    LiveBroadcast.insert(user=user, epoch=epoch, **row).execute()
    if title is not None:
        Recording.update(title=title or None).where((Recording.broadcast == row["tape"]) & (Recording.state == "live")).execute()


def forget(identity: str, epoch: int | None = None) -> None:
    """Remove a broadcast that has ended. Raises StaleEpoch: it goes on elsewhere."""
    epochs.check(identity, epoch)
    LiveBroadcast.delete().where(LiveBroadcast.id == identity).execute()


def clock_s() -> float:
    """Seconds by the database's clock: the one that several servers share."""
    moment = EitherWay("(julianday('now') - 2440587.5) * 86400.0", "extract(epoch from clock_timestamp())")
    return float(peewee.Select([], [moment]).scalar(cast(peewee.Database, TABLES)))


def of_user(user_id: int) -> LiveBroadcast | None:
    """A user's broadcast on air, with its user, at whichever server."""
    found: LiveBroadcast | None = LiveBroadcast.select(LiveBroadcast, User).join(User).where(LiveBroadcast.user == user_id).first()
    return found


def left(node: str = "") -> Remains:
    """What was on air, of several servers at `node`, when the last run ended, oldest first. One whose recording is closed had ended."""
    rows = list(LiveBroadcast.select(LiveBroadcast, User).join(User).where(of_node(LiveBroadcast, node)).order_by(LiveBroadcast.since))
    tapes = {tape.broadcast: tape for tape in Recording.select().where(Recording.broadcast.in_([row.tape for row in rows]))}
    found = Remains([], [])
    for row in rows:
        tape = tapes.get(row.tape)
        if row.record and tape is not None and tape.state != "live":
            found.over.append(row.id)
        else:
            found.going_on.append((row, tape if row.record else None))
    return found


def on_air() -> list[LiveBroadcast]:
    """What is on air at all servers, with who speaks, oldest first; a broadcast that has just begun may be missing."""
    return list(LiveBroadcast.select(LiveBroadcast, User).join(User).order_by(LiveBroadcast.since))
