"""Queries for the parts of a recording: what each owner of its broadcast has written, on which server. One server writes none.

The newest part's files are those of the recording, in its folder at its node. A takeover moves the row to a folder of its own at the new
node, and notes the folder before with the part that is in it: that part lies apart, until all of them are joined.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple, cast

import peewee

from db import broadcasts, epochs, stored_folders
from db.bound import TABLES
from db.locks import hold
from db.stored_folders import StoredFolder
from db.tables import BroadcastEpoch, DiscardedFolder, LiveBroadcast, Recording, RecordingPart, now

RATE_HZ = 48_000
WHOLE = ".whole"  # in the names of folders in which parts are joined, with how many times that was done, and the server's name


class Takeover(NamedTuple):
    """A broadcast of another server, to be gone on with at `node`. tape: the name of its recording; None: it shall not go on here."""

    user_id: int
    broadcast: str
    tape: str | None
    node: str
    from_s: float


class Closed(NamedTuple):
    """What is known of a part whose files are closed. sha256: None where there is nothing."""

    from_s: float
    to_s: float
    sha256: str | None
    size_bytes: int


def begin(recording: Recording, epoch: int, from_s: float) -> None:
    """The node of the recording writes a part from `from_s` on."""
    RecordingPart.create(recording=recording, node=recording.node, epoch=epoch, from_s=from_s)


def take_over(taken: Takeover) -> tuple[int, Recording | None]:
    """Take the broadcast's next epoch, and the recording that is live with it: its second part is of `node`, in a folder of its own.

    Both at once, so that whoever had it writes no more about either. The recording is None where none goes on. Raises Missing.
    """
    epoch = epochs.take(taken.user_id, taken.broadcast)
    found = None if taken.tape is None else _live(taken.tape)
    if found is not None:
        go_on(found, taken.node, epoch, taken.from_s)
    return epoch, found


def take(user_id: int, broadcast: str, node: str) -> int:
    """Take the broadcast's next epoch for `node`, and with it the recording that another server has of it live, as `take_over` does.
    Raises Missing.
    """
    epoch = epochs.take(user_id, broadcast)
    row = LiveBroadcast.get_or_none((LiveBroadcast.id == broadcast) & LiveBroadcast.node.not_in(["", node]))
    if row is not None and row.record and (found := _live(row.tape)) is not None and found.node != node:
        go_on(found, node, epoch, length_s(found))
    return epoch


def length_s(recording: Recording) -> float:
    """How far a live recording has got, by the clock of the database; by that of this host where no row says when its broadcast began."""
    row = LiveBroadcast.get_or_none(LiveBroadcast.id == recording.broadcast.partition(".")[0])
    if row is None or row.tape != recording.broadcast or row.zero_s is None:
        since_s: float = (now() - recording.started_at).total_seconds()
    else:
        since_s = broadcasts.clock_s() - row.zero_s - row.origin / RATE_HZ
    return max(0.0, since_s)


def go_on(recording: Recording, node: str, epoch: int, from_s: float) -> None:
    """A live recording goes on at `node` with this epoch, in a folder of its own there, from `from_s` on. The row is locked."""
    if not put_apart(recording):  # it was begun without an epoch
        RecordingPart.create(recording=recording, node=recording.node, epoch=0, from_s=0.0, folder=recording.folder)
    recording.node, recording.folder = node, folder_of(recording.id, epoch)
    Recording.update(node=recording.node, folder=recording.folder).where(Recording.id == recording.id).execute()
    begin(recording, epoch, from_s)


def put_apart(recording: Recording) -> bool:
    """What is in the recording's folder lies apart from now on, for the recording gets another one; False where no part is in it."""
    return bool(RecordingPart.update(folder=recording.folder).where(_own(recording.id)).execute())


def close(part_id: int, closed: Closed) -> bool:
    """A part's files are closed; False where it is gone, or was closed before. One without anything does not lie apart any more.

    No fence: they are the owner's own files, which stay true after a takeover, and nobody else writes this row.
    """
    its_own = RecordingPart.select(RecordingPart.recording).where(RecordingPart.id == part_id)
    hold(Recording.select(Recording.id).where(Recording.id.in_(its_own))).first()  # before the part
    part = hold(RecordingPart.select().where((RecordingPart.id == part_id) & RecordingPart.to_s.is_null())).first()
    if part is None:
        return False
    part.from_s, part.to_s, part.sha256, part.size_bytes = closed
    if part.folder is not None and closed.sha256 is None:
        stored_folders.discard(part.folder, part.node)
        part.folder = None
    elif part.folder is not None:  # where the recording is ready without it, its bytes are not counted yet
        done = (Recording.id == part.recording_id) & Recording.state.in_(("ready", "failed"))
        Recording.update(size_bytes=Recording.size_bytes + closed.size_bytes).where(done).execute()
    part.save()
    return True


def of_recordings(recording_ids: Collection[int]) -> list[RecordingPart]:
    """The parts of these recordings, in the order in which they were begun."""
    rows = RecordingPart.select().where(RecordingPart.recording.in_(list(recording_ids)))
    return list(rows.order_by(RecordingPart.recording, RecordingPart.epoch, RecordingPart.id))


def find(part_id: int) -> RecordingPart | None:
    """A part by its id."""
    found: RecordingPart | None = RecordingPart.get_or_none(RecordingPart.id == part_id)
    return found


def fill_in(recordings: Sequence[Recording]) -> None:
    """Load the parts of these recordings; of those that one server has alone nothing is asked."""
    by_id = {recording.id: recording for recording in recordings if recording.node}
    for part in of_recordings(by_id) if by_id else ():
        by_id[part.recording_id].parts = [*by_id[part.recording_id].parts, part]


def to_close(node: str, but: Collection[int] = ()) -> list[RecordingPart]:
    """The parts of a server that lie apart and are not closed, as after a kill; without those of the recordings `but`."""
    open_here = (RecordingPart.node == node) & RecordingPart.folder.is_null(False) & RecordingPart.to_s.is_null()
    return list(RecordingPart.select().where(open_here & RecordingPart.recording.not_in(list(but))).order_by(RecordingPart.id))


def left_open(node: str) -> list[RecordingPart]:
    """What recordings of a server that have ended have in their own folders there and is not closed, as after a child that failed; with
    the recordings. Looks at all parts.
    """
    stored = StoredFolder.select().where(StoredFolder.folder == Recording.folder)
    open_here = (RecordingPart.node == node) & RecordingPart.folder.is_null() & RecordingPart.to_s.is_null()
    ended = (Recording.node == node) & Recording.state.in_(("ready", "failed")) & ~peewee.fn.EXISTS(stored)
    return list(RecordingPart.select(RecordingPart, Recording).join(Recording).where(open_here & ended).order_by(RecordingPart.id))


def to_join(node: str) -> list[Recording]:
    """The recordings of a server that are ready while closed parts of them lie apart, with all their parts."""
    apart = RecordingPart.select(RecordingPart.recording).where(RecordingPart.folder.is_null(False) & RecordingPart.sha256.is_null(False))
    done = (Recording.node == node) & Recording.state.in_(("ready", "failed"))
    found = list(Recording.select().where(done & Recording.id.in_(apart)).order_by(Recording.id))
    fill_in(found)
    return found


def at_others(node: str) -> list[tuple[int, str]]:
    """(id, server) of the recordings of other servers than `node` with which nobody goes on, while closed parts of them lie elsewhere."""
    closed = RecordingPart.folder.is_null(False) & RecordingPart.sha256.is_null(False)
    stored = StoredFolder.select().where(StoredFolder.folder == RecordingPart.folder)
    elsewhere = (RecordingPart.node != Recording.node) | peewee.fn.EXISTS(stored)
    over = (Recording.state != "live") | Recording.broadcast.not_in(LiveBroadcast.select(LiveBroadcast.tape))
    rows = RecordingPart.select(Recording.id, Recording.node).join(Recording)
    found = rows.where(closed & elsewhere & over & Recording.node.not_in(["", node])).tuples()
    return sorted(set(cast(Iterable[tuple[int, str]], found)))


def inherit(recording_id: int, away: str, node: str) -> bool:
    """Take the row of a recording from a server that is away: what that one has of it lies apart there from now on, or is in S3.

    False where another server has been quicker, where its broadcast is on air, or where its folder has what was joined before, and is
    not in S3: then nothing is written.
    """
    there = (Recording.id == recording_id) & (Recording.node == away)
    named = Recording.get_or_none(there)
    if named is None or not _is_free(named):
        return False
    with TABLES.atomic() as taking:
        epoch = epochs.take(named.user_id, named.broadcast.partition(".")[0])  # where it comes back it writes no more about it
        found = hold(Recording.select().where(there)).first()
        if found is None or not _is_free(found):  # it was locked after the epoch, so it may have changed
            taking.rollback(False)
            return False
    if stored_folders.find(found.folder) is not None:
        stored_folders.discard_here(found.folder, away)
    else:
        own = (RecordingPart.recording == recording_id) & (RecordingPart.node == away) & RecordingPart.folder.is_null()
        begun_there = found.folder == f"recordings/{recording_id}"
        if not put_apart(found) and begun_there and not RecordingPart.select().where(own).exists():  # without an epoch
            RecordingPart.create(recording=found, node=away, epoch=0, from_s=0.0, folder=found.folder)
        found.folder = folder_of(recording_id, epoch)
    found.node, found.state = node, "finalising" if found.state == "live" else found.state
    found.save()
    return True


def _is_free(recording: Recording) -> bool:
    """Whether another server may take its row from one that is away. The next epoch would stop whoever has its broadcast on air."""
    on_air = LiveBroadcast.select().where(LiveBroadcast.id == recording.broadcast.partition(".")[0])
    return not on_air.exists() and (not is_joined(recording) or stored_folders.find(recording.folder) is not None)


def left_behind(node: str, but: Collection[int]) -> list[int]:
    """The live recordings of a server with which nobody goes on, without `but`: another one has the broadcast, or this one has taken it
    from another and could not write before it was over.
    """
    on_air = LiveBroadcast.select(LiveBroadcast.tape)
    live = (Recording.node == node) & (Recording.state == "live") & Recording.id.not_in(list(but)) & Recording.broadcast.not_in(on_air)
    apart = RecordingPart.select(RecordingPart.recording).where(RecordingPart.folder.is_null(False))
    taken = [each.id for each in Recording.select(Recording.id).where(live & Recording.id.in_(apart))]
    rows = RecordingPart.select(RecordingPart.epoch, Recording.id, Recording.broadcast).join(Recording)
    mine = {part.recording.id: part for part in rows.where(live & RecordingPart.folder.is_null())}
    ids = {recording_id: part.recording.broadcast.partition(".")[0] for recording_id, part in mine.items()}
    newest = {each.broadcast: each.epoch for each in BroadcastEpoch.select().where(BroadcastEpoch.broadcast.in_(list(ids.values())))}
    lost = [recording_id for recording_id, name in ids.items() if newest.get(name, 0) > mine[recording_id].epoch]
    return sorted({*lost, *taken})


def are_apart(recording_id: int) -> bool:
    """Whether other servers, or other folders, have parts of it."""
    return bool(RecordingPart.select().where(_apart(recording_id)).exists())


def bytes_apart(recording_id: int) -> int:
    """The bytes of its closed parts that lie apart."""
    return sum(part.size_bytes for part in RecordingPart.select(RecordingPart.size_bytes).where(_apart(recording_id)))


def folder_of(recording_id: int, epoch: int) -> str:
    """The folder of the part that a server writes which has taken a recording over with this epoch."""
    return f"recordings/{recording_id}.{epoch}"


def whole_of(recording: Recording) -> str:
    """The folder in which its parts are joined next at its server: another one whenever that is done anew, and at another server."""
    times = int(recording.folder.partition(WHOLE)[2].partition(".")[0] or 1) if is_joined(recording) else 0
    return f"recordings/{recording.id}{WHOLE}{times + 1}.{recording.node.replace('-', '_')}"  # a dash ends the name in the cache's


def is_joined(recording: Recording) -> bool:
    """Whether what is in its folder was joined from parts."""
    return WHOLE in recording.folder


def discard_all(recording: Recording) -> list[str]:
    """Note that the files of its parts that lie apart are to be deleted; returns their folders."""
    return _discard(list(RecordingPart.select().where(_apart(recording.id))))


def replace(recording: Recording, folder: str, joined: Collection[int]) -> list[str]:
    """These of its parts, by id, are joined in `folder` at the recording's node, which the row gets: their files are to be deleted.
    Returns their folders. What was in the recording's folder before and is not among them lies apart from now on. `folder` is not to be
    deleted any more, as it was in case that this does not happen.
    """
    before, gone = recording.folder, []
    own = [part.id for part in RecordingPart.select().where(_own(recording.id))]
    if not own or set(own) & set(joined):
        stored_folders.discard(before, recording.node)
        gone.append(before)
    else:
        put_apart(recording)
    recording.folder = folder
    DiscardedFolder.delete().where(DiscardedFolder.folder == folder).execute()
    return [*gone, *_discard(list(RecordingPart.select().where(_apart(recording.id) & RecordingPart.id.in_(list(joined)))))]


def _live(tape: str) -> Recording | None:
    """The live recording of this name, locked."""
    found: Recording | None = hold(Recording.select().where((Recording.broadcast == tape) & (Recording.state == "live"))).first()
    return found


def _apart(recording_id: int) -> Any:
    return (RecordingPart.recording == recording_id) & RecordingPart.folder.is_null(False)


def _own(recording_id: int) -> Any:
    """Its parts that are in its own folder, closed or not."""
    something = RecordingPart.to_s.is_null() | RecordingPart.sha256.is_null(False)  # closed with nothing in it, it has no folder either
    return (RecordingPart.recording == recording_id) & RecordingPart.folder.is_null() & something


def _discard(parts: Sequence[RecordingPart]) -> list[str]:
    for part in parts:
        stored_folders.discard(str(part.folder), part.node)
    RecordingPart.update(folder=None).where(RecordingPart.id.in_([part.id for part in parts])).execute()
    return [str(part.folder) for part in parts]
