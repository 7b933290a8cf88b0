"""Moves recordings that have ended to S3, and of several servers closed parts of them: each file is sent, read back and compared; only then
is the row written, and then the files here are deleted. Until then they are answered from here. What is cut off at any point is begun anew.
"""

import asyncio
import contextlib
import hashlib
import logging
import shutil
from collections.abc import AsyncIterator, Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from db import stored_folders, trash
from db.connection import Database
from db.errors import Missing, Unavailable
from db.stored_folders import StoredFolder, ToMove, Waiting
from web.http.metrics import Sample
from web.recordings.object_store import OF_ALL, PIECE, ObjectStore, ObjectTrouble
from web.recordings.open_files import opened
from web.recordings.recording_files import RecordingFiles
from web.recordings.sendings import SendingNotes
from workers.disk_room import DiskRoom

logger = logging.getLogger(__name__)

FOLDER = "recordings"  # from storage.path
AT_ONCE = 2  # folders that are sent
PAGE = 100  # rows that are asked for at once
LOOK_S = 30.0  # between two rounds where nothing happens
LINGER_S = 10.0  # files stay for so long after they have moved: whoever has just looked where they are finds them
FIRST_RETRY_S, LAST_RETRY_S = 2.0, 300.0  # after a failure: of one folder, and of S3 itself
SKIPPED = ".part"  # drafts, of which nothing is needed when a recording has ended


class Uploads:
    """Owns the task that sends, and deletes in S3 what was deleted. `wanted` is set by whoever has something to send or to delete."""

    def __init__(
        self, database: Database, storage: Path, node: str, room: DiskRoom, store: ObjectStore, files: RecordingFiles, wanted: asyncio.Event
    ) -> None:
        """storage: `storage.path`; node: this server among several, "": there is one; room: of the disk for recordings."""
        self._database, self._storage, self._node, self._room = database, storage, node, room
        self._store, self._files, self._wanted = store, files, wanted
        self._sent: dict[str, dict[str, dict[str, Any]]] = {}  # of folders that are not sent as a whole yet: file -> what is in S3
        self._places: dict[str, str] = {}  # of the same folders: where in S3
        self._empty: dict[str, int] = {}  # folders without files here -> their bytes by the row
        self._later: dict[str, _Pause] = {}
        self._fresh: dict[str, float] = {}  # folders that have moved lately -> when their files here may go
        self._left: set[str] = set()  # folders that have moved, whose files here could not be deleted in this run
        self._notes = SendingNotes(storage)
        self._waiting = Waiting(0, 0)
        self._counts = {"stored": 0, "failed": 0}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._for_ever(), name="uploads")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def samples(self) -> Iterable[Sample]:
        """For /metrics."""
        yield from self._store.samples()
        yield Sample("hushcast_s3_waiting", "gauge", "Ended recordings, and parts, that are not in S3 yet.", self._waiting.folders)
        yield Sample("hushcast_s3_waiting_bytes", "gauge", "Bytes of their files, which are on this disk.", self._waiting.size_bytes)
        for outcome, count in self._counts.items():
            help_ = "Recordings, and parts, that were moved to S3, and tries that failed."
            yield Sample("hushcast_s3_uploads_total", "counter", help_, count, {"outcome": outcome})

    async def _for_ever(self) -> None:
        """One round at the start, when something is wanted, and every LOOK_S; after a failure of S3 later and later."""
        self._places = await asyncio.to_thread(self._notes.read)
        self._sent = {folder: {} for folder in self._places}
        with contextlib.suppress(ObjectTrouble):  # which the store has logged
            await self._store.probe()
            logger.info("recordings that have ended move to %s", self._store.place)
        pause_s = FIRST_RETRY_S
        while True:
            self._wanted.clear()
            well = await self._round()
            if well:
                pause_s = FIRST_RETRY_S
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._until_next()):
                        await self._wanted.wait()
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LAST_RETRY_S)

    async def _round(self) -> bool:
        """False where S3 or the database is away."""
        try:
            await self._send_all()
            await self._delete_here()
            await self._delete_there()
            await self._forget_fetched()
        except Unavailable:
            return False  # the database has logged it
        except ObjectTrouble:
            return False  # the store has logged it
        except Exception:
            logger.exception("moving recordings to S3 goes on later")
            return False
        return True

    async def _send_all(self) -> None:
        """Raises ObjectTrouble where S3 is away, Unavailable."""
        waiting = await self._database.read(stored_folders.count_waiting, self._node)
        self._waiting = waiting.without(self._empty.values())
        seen = set[str]()
        async for page in self._pages():
            seen.update(each.folder for each in page)
            due = [each for each in page if self._is_due(each.folder)]
            for some in (due[at : at + AT_ONCE] for at in range(0, len(due), AT_ONCE)):
                ends = await asyncio.gather(*map(self._try, some), return_exceptions=True)
                for end in ends:
                    if end is not None:
                        raise end
        self._later = {folder: pause for folder, pause in self._later.items() if folder in seen}
        self._empty = {folder: size for folder, size in self._empty.items() if folder in seen}
        for gone in self._sent.keys() - seen:  # deleted, or joined with others, before all of it was sent; or noted just before a kill
            stored = await self._database.read(stored_folders.find, gone)
            if stored is None or stored.place != self._places[gone]:
                await self._store.delete_below(self._places[gone])
            await self._forget(gone)

    async def _pages(self) -> AsyncIterator[list[ToMove]]:
        """Parts first: another server may wait for them."""
        yield await self._database.read(stored_folders.parts_waiting, self._node)
        after = 0
        while page := await self._database.read(stored_folders.waiting, self._node, after, PAGE):
            after = page[-1].recording
            yield page

    async def _try(self, wanted: ToMove) -> None:
        """Send one, or put it off. Raises ObjectTrouble where S3 itself is in trouble, Unavailable."""
        try:
            await self._send(wanted)
        except (ObjectTrouble, OSError) as failure:
            self._counts["failed"] += 1
            if isinstance(failure, ObjectTrouble) and failure.reason in OF_ALL:
                raise
            pause_s = self._put_off(wanted.folder)
            logger.warning("recording %s: not moved to S3: %s; again in %g s", wanted.recording, failure, pause_s)
        else:
            self._later.pop(wanted.folder, None)

    async def _send(self, wanted: ToMove) -> None:
        """Raises ObjectTrouble, OSError, Unavailable."""
        found = await asyncio.to_thread(_files_of, self._storage / wanted.folder)
        if not found:
            if wanted.folder not in self._empty:
                self._waiting = self._waiting.without([wanted.size_bytes])
            self._empty[wanted.folder] = wanted.size_bytes
            return
        self._empty.pop(wanted.folder, None)  # its disk was away
        place = f"{wanted.folder}/{_mark(wanted.broadcast, self._node)}"
        sent = self._sent.setdefault(wanted.folder, {})
        if self._places.get(wanted.folder) != place:
            await asyncio.to_thread(self._notes.add, wanted.folder, place)
            self._places[wanted.folder] = place
        try:
            for path in found:
                file = await _described(path)
                if sent.get(path.name) != file:
                    await self._store.put(f"{place}/{path.name}", path, file["size"])
                    await self._store.check(f"{place}/{path.name}", file["size"], file["sha256"])
                    sent[path.name] = file
        except FileNotFoundError:
            return  # it was deleted meanwhile, or joined with others
        files = [sent[path.name] for path in found]
        try:
            await self._database.run(stored_folders.add, wanted.recording, wanted.folder, place, files)
        except Missing:
            await self._store.delete_below(place)  # it was deleted meanwhile, or joined with others
            return
        await self._forget(wanted.folder)
        self._counts["stored"] += 1
        self._waiting = self._waiting.without([wanted.size_bytes])
        self._fresh[wanted.folder] = asyncio.get_running_loop().time() + LINGER_S
        logger.info("recording %s: %s files, %s bytes are in S3", wanted.recording, len(files), sum(each["size"] for each in files))

    async def _forget(self, folder: str) -> None:
        del self._sent[folder], self._places[folder]
        await asyncio.to_thread(self._notes.remove, folder)

    async def _delete_here(self) -> None:
        """The files of what has moved, unless somebody reads them; those that an earlier run has left, too."""
        now_s = asyncio.get_running_loop().time()
        self._fresh = {folder: until_s for folder, until_s in self._fresh.items() if until_s > now_s}
        here = await asyncio.to_thread(_folders_in, self._storage)
        for at in range(0, len(here), PAGE):
            for stored in await self._database.read(stored_folders.among, here[at : at + PAGE]):
                folder = self._storage / stored.folder
                if stored.folder in self._fresh or stored.folder in self._left:
                    continue
                if await self._files.unless_used(folder.name, partial(_removed, folder, stored)) is False:
                    self._left.add(stored.folder)
        if not await asyncio.to_thread(self._room.has):
            await self._files.make_room()

    async def _delete_there(self) -> None:
        """What was deleted for good, or belonged to it. Raises ObjectTrouble, Unavailable."""
        for folder in await self._database.read(trash.discarded, self._node):
            if await asyncio.to_thread((self._storage / folder).exists):
                continue  # the archive deletes it first, and tries again
            if place := await self._database.read(trash.place_of, folder):  # below the folder there may be another installation's, too
                await self._store.delete_below(place)
            await self._database.run(trash.forget_stored, folder, self._node)

    async def _forget_fetched(self) -> None:
        """What was fetched of recordings that are gone, at whichever server they were deleted."""
        fetched = await self._files.fetched()
        for at in range(0, len(fetched), PAGE):
            some = {f"{FOLDER}/{name}": name for name in fetched[at : at + PAGE]}
            for gone in some.keys() - {each.folder for each in await self._database.read(stored_folders.among, list(some))}:
                await self._files.drop(some[gone])

    def _is_due(self, folder: str) -> bool:
        return folder not in self._later or self._later[folder].until <= asyncio.get_running_loop().time()

    def _put_off(self, folder: str) -> float:
        before = self._later.get(folder)
        pause_s = FIRST_RETRY_S if before is None else min(2 * before.pause_s, LAST_RETRY_S)
        self._later[folder] = _Pause(asyncio.get_running_loop().time() + pause_s, pause_s)
        return pause_s

    def _until_next(self) -> float:
        """Seconds until the next round has something to do for sure, LOOK_S at most."""
        moments = [*self._fresh.values(), *(each.until for each in self._later.values())]
        return max(0.1, min(LOOK_S, *(each - asyncio.get_running_loop().time() for each in moments))) if moments else LOOK_S


class _Pause(NamedTuple):
    """A folder that is tried again: not before this moment of the loop's clock, after so many seconds."""

    until: float
    pause_s: float


def _mark(broadcast: str, node: str) -> str:
    """Tells the objects of one recording from those of an earlier one with its number, as after a restore, and of another server."""
    return hashlib.sha256(f"{node}\n{broadcast}".encode()).hexdigest()[:16]


def _files_of(folder: Path) -> list[Path]:
    """What a recording that has ended, or a part of one, consists of, by name. Not for the loop."""
    try:
        return sorted(each for each in folder.iterdir() if each.is_file() and each.suffix != SKIPPED)
    except FileNotFoundError:
        return []


async def _described(path: Path) -> dict[str, Any]:
    """The file as `StoredFolder.files` has it."""
    digest = hashlib.sha256()
    file = await opened(lambda: path.open("rb"))
    try:
        while piece := await asyncio.to_thread(file.read, PIECE):
            await asyncio.to_thread(digest.update, piece)
        stat = await asyncio.to_thread(path.stat)
    finally:
        file.close()
    return {"name": path.name, "size": stat.st_size, "sha256": digest.hexdigest(), "changed_ns": stat.st_mtime_ns}


def _folders_in(storage: Path) -> list[str]:
    """The folders of recordings that are here, as rows name them. Not for the loop."""
    return sorted(f"{FOLDER}/{each.name}" for each in (storage / FOLDER).iterdir() if not each.name.startswith(".") and each.is_dir())


def _removed(folder: Path, stored: StoredFolder) -> bool:
    """Delete the folder, out of sight at once, if all in it is in S3 as it is here. Not for the loop."""
    known = {(each["name"], each["size"], each["changed_ns"]) for each in stored.files}
    try:
        for each in folder.iterdir():
            stat = each.stat()
            if each.suffix != SKIPPED and (each.name, stat.st_size, stat.st_mtime_ns) not in known:
                logger.warning("%s is not what was sent, so it stays", each)
                return False
        gone = folder.with_name(f".gone-{folder.name}")  # a kill in the middle: the next start deletes it
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
    except OSError as error:
        logger.warning("%s has moved to S3 and could not be deleted yet: %s", folder, error)
        return False
    return True
