"""Queries for recordings' files in S3: what waits to be moved there, and what has been."""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple, cast

import peewee

from db.columns import JsonField, UtcField
from db.errors import Missing
from db.locks import hold
from db.tables import DiscardedFolder, Recording, RecordingPart, Row, now, of_node


class StoredFolder(Row):
    """The files of a recording, or of a part of one that lies apart, that have moved to S3, below `place` there, from the folder that
    its row has as `folder`. `files`: list of {name, size, sha256, changed_ns}; what is in it has been read back."""

    folder = peewee.TextField(primary_key=True)
    recording = peewee.ForeignKeyField(Recording, on_delete="CASCADE", backref="+")
    recording_id: int
    place = peewee.TextField()
    files = JsonField()
    stored_at = UtcField(default=now)


class ToMove(NamedTuple):
    """A folder that is to move: of a recording that has ended, or of a closed part of one. size_bytes: of its files, by its row."""

    recording: int
    folder: str
    broadcast: str
    size_bytes: int


class Waiting(NamedTuple):
    """What one server has still to move: how many folders, and the bytes of their files."""

    folders: int
    size_bytes: int

    def without(self, sizes: Collection[int]) -> "Waiting":
        """Less folders of these sizes."""
        return Waiting(max(0, self.folders - len(sizes)), max(0, self.size_bytes - sum(sizes)))


def waiting(node: str, after: int, most: int) -> list[ToMove]:
    """Ended recordings of `node` whose files are not in S3 yet, those in the trash too; by id, from above `after` on, at most `most`.

    Also those of several servers of which parts are still to be joined: any server plays them then, with what is there. Not those whose
    own part is not closed yet.
    """
    rows = Recording.select(Recording.id, Recording.folder, Recording.broadcast, _own_bytes()).where(_waits(node) & (Recording.id > after))
    found = cast(Iterable[tuple[Any, ...]], rows.order_by(Recording.id).limit(most).tuples())
    return [ToMove(*each) for each in found]


def parts_waiting(node: str) -> list[ToMove]:
    """The closed parts of recordings that lie apart at `node`, one of several servers, and are not in S3 yet."""
    if not node:
        return []
    moved = StoredFolder.select().where(StoredFolder.folder == RecordingPart.folder)
    closed = (RecordingPart.node == node) & RecordingPart.folder.is_null(False) & RecordingPart.sha256.is_null(False)
    columns = RecordingPart.recording, RecordingPart.folder, Recording.broadcast, RecordingPart.size_bytes
    rows = RecordingPart.select(*columns).join(Recording).where(closed & ~peewee.fn.EXISTS(moved))
    return [ToMove(*each) for each in cast(Iterable[tuple[Any, ...]], rows.order_by(RecordingPart.id).tuples())]


def count_waiting(node: str) -> Waiting:
    """How much `waiting` and `parts_waiting` would find in all."""
    sizes = Recording.select(peewee.fn.COUNT(peewee.SQL("*")), peewee.fn.SUM(_own_bytes())).where(_waits(node))
    [(number, size)] = cast(Iterable[tuple[int, int | None]], sizes.tuples())
    parts = parts_waiting(node)
    return Waiting(number + len(parts), int(size or 0) + sum(each.size_bytes for each in parts))


def add(recording_id: int, folder: str, place: str, files: list[dict[str, Any]]) -> None:
    """These files of a recording, or of a part of it, are in S3 below `place`, and have been read back. Raises Missing: it has been
    deleted or joined meanwhile, or has another folder."""
    own = hold(Recording.select(Recording.id, Recording.folder).where(Recording.id == recording_id)).first()  # nobody joins it meanwhile
    apart = RecordingPart.select().where((RecordingPart.recording == recording_id) & (RecordingPart.folder == folder))
    if own is None or (own.folder != folder and not apart.exists()):
        raise Missing("not_found")
    StoredFolder.insert(recording=recording_id, folder=folder, place=place, files=files).on_conflict_ignore().execute()


def discard(folder: str, node: str) -> None:
    """Note that the files of a folder are to be deleted, at `node` and in S3. The recording is locked."""
    stored = find(folder)
    discard_here(folder, node)
    if stored is not None:
        DiscardedFolder.update(place=stored.place).where(DiscardedFolder.folder == folder).execute()
        stored.delete_instance()


def discard_here(folder: str, node: str) -> None:
    """Note that the files of a folder are to be deleted at `node`, and not in S3. Where that is noted of another server, it stays so."""
    DiscardedFolder.insert(folder=folder, node=node).on_conflict_ignore().execute()


def find(folder: str) -> StoredFolder | None:
    """What has moved from that folder."""
    found: StoredFolder | None = StoredFolder.get_or_none(StoredFolder.folder == folder)
    return found


def of_part(part: RecordingPart) -> StoredFolder | None:
    """What has moved of a part: from where it lies apart, else from its recording's folder, in which it is."""
    own = Recording.select(Recording.folder).where(Recording.id == part.recording_id)
    return find(part.folder) if part.folder is not None else StoredFolder.get_or_none(StoredFolder.folder.in_(own))


def among(folders: Collection[str]) -> list[StoredFolder]:
    """What has moved from these folders."""
    return list(StoredFolder.select().where(StoredFolder.folder.in_(list(folders))))


def _waits(node: str) -> Any:
    moved = StoredFolder.select().where(StoredFolder.folder == Recording.folder)
    ended = Recording.state.in_(["ready", "failed"]) & of_node(Recording, node)
    waits = ended & ~peewee.fn.EXISTS(moved)
    if not node:
        return waits
    not_closed = (RecordingPart.recording == Recording.id) & RecordingPart.folder.is_null() & RecordingPart.to_s.is_null()
    return waits & ~peewee.fn.EXISTS(RecordingPart.select().where(not_closed))  # which ends its files here


def _own_bytes() -> Any:
    """The bytes of a recording without those of its parts that lie apart."""
    apart = (RecordingPart.recording == Recording.id) & RecordingPart.folder.is_null(False)
    return Recording.size_bytes - peewee.fn.COALESCE(RecordingPart.select(peewee.fn.SUM(RecordingPart.size_bytes)).where(apart), 0)
