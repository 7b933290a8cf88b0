"""Queries for deleted recordings: the trash, from which they can be restored, and permanent deletion.

Whoever deletes rows for good names their folders in `discarded_folder`, in the same transaction. The files are deleted after it, and
the names last. So a kill at any point leaves either the row with its files, or files that the next run still knows to delete.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, cast

import peewee

from db import recording_parts, recordings, stored_folders
from db.errors import Clash, Missing
from db.locks import hold
from db.tables import DiscardedFolder, Recording, User, now, of_node

LONGEST_DAYS = 36_500  # of `recording.keep_days`, which has no limit, while dates have


def put(user_id: int, recording_id: int, moment: datetime | None) -> None:
    """Move a user's own recording into the trash; its days there count from `moment`, or from the next trusted time.

    Raises Missing, Denied, Clash("still_live").
    """
    found = _deletable(user_id, recording_id)
    Recording.update(deleted_at=now(), counts_from=moment, recounted=False).where(Recording.id == found.id).execute()


def remove(user_id: int, recording_id: int) -> list[str]:
    """Delete a user's own recording permanently, bypassing the trash; returns folders for the caller to delete. Raises as `put`."""
    return discard([_deletable(user_id, recording_id)])


def restore(user_id: int, recording_id: int, moment: datetime) -> None:
    """Restore a user's own recording; `recording.keep_days` counts from `moment`. Raises Missing, Clash("not_in_trash")."""
    found = hold(Recording.select().where((Recording.id == recording_id) & (Recording.user == user_id))).first()
    if found is None:
        raise Missing("not_found")
    if found.deleted_at is None:
        raise Clash("not_in_trash")
    Recording.update(deleted_at=None, counts_from=moment).where(Recording.id == recording_id).execute()


def everything() -> list[Recording]:
    """All recordings in the trash with their users, in the order of deletion."""
    rows = Recording.select(Recording, User).join(User).where(_in_trash())
    return list(rows.order_by(Recording.deleted_at, Recording.id))


def find(recording_id: int) -> Recording | None:
    """The recording with that id in the trash."""
    found: Recording | None = Recording.get_or_none((Recording.id == recording_id) & _in_trash())
    return found


def put_older(keep_days: int, moment: datetime) -> int:
    """Move ended recordings that began over `keep_days` before `moment`, a trusted time, into the trash. Returns how many.

    Ids are given in the order in which recordings begin. So what has a higher id than one that is young enough is as young, whatever
    its time stamp says: it was made while the clock was behind.
    """
    limit = moment - timedelta(days=min(keep_days, LONGEST_DAYS))
    young = Recording.started_at.between(limit, moment)
    first = Recording.select(peewee.fn.MIN(Recording.id)).where(young).scalar()
    old = _ended() & Recording.deleted_at.is_null() & (peewee.fn.COALESCE(Recording.counts_from, Recording.started_at) < _written(limit))
    if first is not None:
        old &= Recording.id < first
    return int(Recording.update(deleted_at=moment, counts_from=moment, recounted=False).where(old).execute())


def _written(moment: datetime) -> peewee.Value:
    """A time in the columns' text format: peewee converts it differently next to an SQL function, and texts are compared."""
    return peewee.Value(moment, converter=Recording.started_at.db_value)


def remove_expired(trash_days: int, moment: datetime) -> list[str]:
    """Permanently delete what was in the trash for `trash_days` of trusted time; returns folders for the caller to delete."""
    uncounted = Recording.counts_from.is_null() | (Recording.counts_from > moment)
    Recording.update(counts_from=moment).where(_in_trash() & uncounted).execute()
    expired = _in_trash() & (Recording.counts_from <= moment - timedelta(days=trash_days))
    return discard(hold(_going().where(expired)))


def make_room(quota_bytes: int) -> list[str]:
    """Permanently delete, for each user over the quota, first what is in the trash, then the oldest, until the rest fits.

    What is live or being finalised counts but stays. The folders are the caller's to delete.
    """
    total = peewee.fn.SUM(Recording.size_bytes)
    over = Recording.select(Recording.user, total.alias("total")).group_by(Recording.user).having(total > quota_bytes)
    going: list[Recording] = []
    for user_id, _ in cast(Iterable[tuple[int, int]], over.tuples()):
        rows = list(hold(_going().where(_ended() & (Recording.user == user_id)).order_by(*_first_to_go())))
        held = recordings.used_bytes(user_id)  # now that they are held: another round may just have deleted some
        for recording in rows:
            if held <= quota_bytes:
                break
            going.append(recording)
            held -= recording.size_bytes
    return discard(going)


def empty() -> list[str]:
    """Permanently delete everything in the trash; returns folders for the caller to delete."""
    return discard(hold(_going().where(_in_trash())))


def remove_of(user_id: int) -> list[str]:
    """Permanently delete all recordings of a user, in any state; returns folders for the caller to delete."""
    return discard(hold(_going().where(Recording.user == user_id)))


def count_anew() -> None:
    """Count the days in the trash from the next trusted time; once only, or a machine that sleeps often would keep everything."""
    Recording.update(counts_from=None, recounted=True).where(_in_trash() & ~Recording.recounted).execute()


def discard(going: Iterable[Recording]) -> list[str]:
    """Delete rows, store and return their folders, those of their parts at other servers too: the caller deletes the files and then
    calls `forget`.
    """
    folders = []
    for recording in list(going):
        folders += [recording.folder, *recording_parts.discard_all(recording)]
        stored_folders.discard(recording.folder, recording.node)
        recording.delete_instance()
    return folders


def discard_empty(recording_id: int, node: str = "") -> list[str]:
    """As `discard`, for a live recording that has ended without a packet; nothing where it is gone, or another server's than `node`.

    One of which other servers have parts is not empty: it is `finalising`.
    """
    found = hold(Recording.select().where((Recording.id == recording_id) & (Recording.state == "live") & of_node(Recording, node))).first()
    if found is None:
        return []
    if recording_parts.are_apart(recording_id):
        Recording.update(state="finalising").where(Recording.id == recording_id).execute()
        return []
    return discard([found])


def discarded(node: str = "") -> list[str]:
    """The folders whose rows are deleted and whose files may still exist; of several servers, at `node` or in S3."""
    mine = DiscardedFolder.select().where(of_node(DiscardedFolder, node) | (DiscardedFolder.place != ""))
    return [each.folder for each in mine.order_by(DiscardedFolder.folder)]


def forget(folders: Collection[str]) -> None:
    """Note that the files of these folders are deleted here. What has some in S3 stays noted."""
    for folder in folders:
        DiscardedFolder.delete().where((DiscardedFolder.folder == folder) & (DiscardedFolder.place == "")).execute()


def place_of(folder: str) -> str:
    """Where a discarded folder's files are in S3; "" where none are, as far as rows say."""
    found = DiscardedFolder.get_or_none(DiscardedFolder.folder == folder)
    return "" if found is None else str(found.place)


def forget_stored(folder: str, node: str) -> None:
    """Note that its files in S3 are deleted, by `node`, and here too where they are that server's; else those stay noted."""
    row = DiscardedFolder.folder == folder
    DiscardedFolder.delete().where(row & of_node(DiscardedFolder, node)).execute()
    DiscardedFolder.delete().where(row & (DiscardedFolder.node == "")).execute()
    DiscardedFolder.update(place="").where(row).execute()


def _deletable(user_id: int, recording_id: int) -> Recording:
    found = recordings.own(user_id, recording_id)
    if found.state == "live":
        raise Clash("still_live")
    return found


def _going() -> Any:
    """Only the needed columns of the rows to delete: chapters can be large."""
    return Recording.select(Recording.id, Recording.folder, Recording.size_bytes, Recording.node)


def _first_to_go() -> Any:
    """What is in the trash, then the oldest."""
    return Recording.deleted_at.is_null(), Recording.deleted_at, Recording.id


def _in_trash() -> Any:
    return Recording.deleted_at.is_null(False)


def _ended() -> Any:
    return Recording.state.in_(["ready", "failed"])
