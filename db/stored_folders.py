"""Queries for recordings' files in S3: what waits to be moved there, and what has been."""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple, cast

import peewee

from db.columns import JsonField, UtcField
from db.errors import Missing
from db.tables import Recording, RecordingPart, Row, now, of_node


class StoredFolder(Row):
    """A recording's files that have moved to S3, below `place` there, from the folder that it has as `folder`. `files`: list of {name,
    size, sha256, changed_ns}; what is in it has been read back."""

    folder = peewee.TextField(primary_key=True)
    recording = peewee.ForeignKeyField(Recording, on_delete="CASCADE", backref="+")
    recording_id: int
    place = peewee.TextField()
    files = JsonField()
    stored_at = UtcField(default=now)


class Waiting(NamedTuple):
    """What one server has still to move: how many recordings, and the bytes of their files."""

    recordings: int
    size_bytes: int

    def without(self, sizes: Collection[int]) -> "Waiting":
        """Less recordings of these sizes."""
        return Waiting(max(0, self.recordings - len(sizes)), max(0, self.size_bytes - sum(sizes)))


def waiting(node: str, after: int, most: int) -> list[Recording]:
    """Ended recordings of `node` whose files are not in S3 yet, those in the trash too; by id, from above `after` on, at most `most`.

    Not those of several servers whose parts are to be joined first.
    """
    rows = Recording.select().where(_waits(node) & (Recording.id > after))
    return list(rows.order_by(Recording.id).limit(most))


def count_waiting(node: str) -> Waiting:
    """How many `waiting` would find in all."""
    sizes = Recording.select(peewee.fn.COUNT(peewee.SQL("*")), peewee.fn.SUM(Recording.size_bytes)).where(_waits(node))
    [(number, size)] = cast(Iterable[tuple[int, int | None]], sizes.tuples())
    return Waiting(number, int(size or 0))


def add(recording_id: int, folder: str, place: str, files: list[dict[str, Any]]) -> None:
    """These files of a recording are in S3 below `place`, and have been read back. Raises Missing: it has been deleted meanwhile, or
    has another folder."""
    if not Recording.select().where((Recording.id == recording_id) & (Recording.folder == folder)).exists():
        raise Missing("not_found")
    StoredFolder.insert(recording=recording_id, folder=folder, place=place, files=files).on_conflict_ignore().execute()


def find(folder: str) -> StoredFolder | None:
    """What has moved of the recording with that folder."""
    found: StoredFolder | None = StoredFolder.get_or_none(StoredFolder.folder == folder)
    return found


def among(folders: Collection[str]) -> list[StoredFolder]:
    """What has moved of the recordings with these folders."""
    return list(StoredFolder.select().where(StoredFolder.folder.in_(list(folders))))


def _waits(node: str) -> Any:
    moved = StoredFolder.select().where(StoredFolder.folder == Recording.folder)
    apart = RecordingPart.select().where((RecordingPart.recording == Recording.id) & RecordingPart.folder.is_null(False))
    ended = Recording.state.in_(["ready", "failed"]) & of_node(Recording, node)
    return ended & ~peewee.fn.EXISTS(moved) & ~peewee.fn.EXISTS(apart)
