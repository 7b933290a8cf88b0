"""Where a recording's files are: on this disk, or in S3, from which they are read by pieces or fetched into a bounded cache."""

import asyncio
import contextlib
import hashlib
import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

from aiohttp import web

from db import stored_folders
from db.connection import Database
from db.errors import Unavailable
from db.stored_folders import StoredFolder
from db.tables import Recording
from sfu.errors import NotFound
from web.errors import StorageAway
from web.http.fair_shares import FairQueue
from web.recordings.folders import FETCHED
from web.recordings.object_store import PIECE, ObjectStore, ObjectTrouble
from web.recordings.open_files import opened
from workers.disk_room import DiskRoom, why_not

logger = logging.getLogger(__name__)

AT_ONCE = 3  # files that are fetched; in turn for each user
CACHE_BYTES = 2_000_000_000


class StoredFile(NamedTuple):
    """An object: its key, what it holds, and when the file that it was changed last."""

    key: str
    size: int
    sha256: str
    changed_ns: int

    @property
    def tag(self) -> str:
        """The ETag that the file had, without quotes: a download that is broken off goes on after the file has moved."""
        return f"{self.changed_ns:x}-{self.size:x}"


def file_in(stored: StoredFolder, name: str | None) -> StoredFile | None:
    """One file of what was moved; None where it is not among them."""
    for each in stored.files:
        if each["name"] == name:
            return StoredFile(f"{stored.place}/{name}", each["size"], each["sha256"], each["changed_ns"])
    return None


class RecordingFiles:
    """Owns the folder of fetched files: those of one recording are deleted together, least recently used first. Knows whose are in use."""

    def __init__(self, database: Database, storage: Path, room: DiskRoom, store: ObjectStore | None) -> None:
        """storage: `storage.path`; room: how much of the disk the fetched files may use; store: None where no S3 is set."""
        self._database, self._storage, self._room, self._store = database, storage, room, store
        self._in_use: Counter[str] = Counter()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._fetching = FairQueue(AT_ONCE)

    async def stored(self, recording: Recording) -> StoredFolder | None:
        """What S3 has of it; None where its files are on this disk, or nowhere. Raises StorageAway where no S3 is set any more."""
        if await asyncio.to_thread((self._storage / recording.folder).is_dir):
            return None
        found = await self._database.read(stored_folders.find, recording.folder)
        if found is not None and self._store is None:
            logger.warning("recording %s is in S3, and storage.s3_url is empty", recording.id)
            raise StorageAway
        return found

    async def anybody_has(self, recording: Recording) -> bool:
        """Whether its files are in S3, so that of several servers any can answer."""
        return self._store is not None and await self._database.read(stored_folders.find, recording.folder) is not None

    @property
    def trouble(self) -> str | None:
        """Why S3 is away, in words; None where it is there, or none is set."""
        return None if self._store is None else self._store.trouble

    async def pieces(self, file: StoredFile, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Bytes start..stop-1 of an object. Raises StorageAway."""
        assert self._store is not None
        try:
            async with contextlib.aclosing(self._store.pieces(file.key, file.size, start, stop)) as pieces:
                async for piece in pieces:
                    yield piece
        except ObjectTrouble as trouble:
            raise StorageAway from trouble

    @asynccontextmanager
    async def folder(self, recording: Recording, stored: StoredFolder | None, names: Iterable[str], ear: int) -> AsyncIterator[Path]:
        """A folder with these files of a recording, as far as there are any; it stays while the block lasts.

        stored: as from `stored`; what is in S3 is fetched and compared. ear: the id of who asks. Raises StorageAway, NotFound where it
        is deleted meanwhile, Unavailable where the disk has no room.
        """
        name = Path(recording.folder).name
        with self.using(name):
            async with self._turn(name):  # whoever has begun to delete it here ends first
                if stored is None and (stored := await self.stored(recording)) is None:
                    folder, wanted = self._storage / recording.folder, []
                else:
                    folder = self._storage / FETCHED / name
                    wanted = [(each, found) for each in names if (found := file_in(stored, each))]
                missing = await asyncio.to_thread(_missing, folder, wanted) if wanted else []
                async with self._fetching.turn(ear) if missing else contextlib.nullcontext():
                    for each, file in missing:
                        await self._fetch(file, folder / each)
            yield folder

    async def unless_used(self, name: str, delete: Callable[[], bool]) -> bool | None:
        """What `delete` says, which is called on a thread; None where somebody reads the files of the recording with that folder's name."""
        async with self._turn(name):
            return None if name in self._in_use else await asyncio.to_thread(delete)

    async def make_room(self, wanted: int = 0) -> bool:
        """Delete fetched files that nobody reads until so many bytes fit; whether they do."""
        found = await asyncio.to_thread(_by_use, self._storage / FETCHED)
        held = sum(size for _, size, _ in found)
        for _, size, folder in found:
            if held + wanted <= CACHE_BYTES and await asyncio.to_thread(self._room.has, wanted):
                return True
            if await self.drop(folder.name):
                held -= size
        return await asyncio.to_thread(self._room.has, wanted)

    async def drop(self, name: str) -> bool:
        """Delete what was fetched of a recording; False where somebody reads it."""
        if self._turn(name).locked():
            return False
        return await self.unless_used(name, partial(_emptied, self._storage / FETCHED / name)) is not None

    async def fetched(self) -> list[str]:
        """The names of the folders of recordings of which files were fetched."""
        return [folder.name for _, _, folder in await asyncio.to_thread(_by_use, self._storage / FETCHED)]

    @contextmanager
    def using(self, name: str) -> Iterator[None]:
        """While the block lasts, the files in the folder of that name, of a recording or a part, are not deleted because they are in S3."""
        self._in_use[name] += 1
        try:
            yield
        finally:
            self._in_use[name] -= 1
            if not self._in_use[name]:
                del self._in_use[name]

    def _turn(self, name: str) -> asyncio.Lock:
        """One at a time fetches, or deletes what was fetched."""
        lock = self._turns.get(name)
        if lock is None:
            lock = self._turns[name] = asyncio.Lock()
        return lock

    async def _fetch(self, file: StoredFile, path: Path) -> None:
        assert self._store is not None
        if not await self.make_room(file.size):
            raise Unavailable("storage_full", f"no room to fetch {file.key}")
        draft = path.with_name(f"{path.name}.part")
        try:
            writing = await opened(partial(_Draft, draft))
            try:
                async with contextlib.aclosing(self._store.pieces(file.key, file.size, 0, file.size, PIECE)) as pieces:
                    async for piece in pieces:
                        await asyncio.to_thread(writing.add, piece)
            finally:
                await asyncio.to_thread(writing.close)
            if writing.sha256 != file.sha256:
                raise self._store.failed("wrong_checksum", "read")
            await asyncio.to_thread(draft.replace, path)
        except ObjectTrouble as trouble:
            await asyncio.to_thread(draft.unlink, missing_ok=True)
            raise StorageAway from trouble
        except FileNotFoundError:
            raise NotFound("It has just been deleted.") from None
        except OSError as error:
            await asyncio.to_thread(draft.unlink, missing_ok=True)
            if why_not(error) == "storage_full":
                raise Unavailable("storage_full", f"no room to fetch {file.key}") from error
            raise


RECORDING_FILES = web.AppKey("RECORDING_FILES", RecordingFiles)


class _Draft:
    """A file that is being fetched. Not for the loop."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file, self._digest = path.open("wb"), hashlib.sha256()

    def add(self, piece: bytes) -> None:
        self._file.write(piece)
        self._digest.update(piece)

    def close(self) -> None:
        self._file.close()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _missing(folder: Path, wanted: list[tuple[str, StoredFile]]) -> list[tuple[str, StoredFile]]:
    """Those that are not in the folder as a whole; notes that the folder is used."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(folder, (time.time(), time.time()))
    return [(name, file) for name, file in wanted if _size(folder / name) != file.size]


def _emptied(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _by_use(cache: Path) -> list[tuple[float, int, Path]]:
    """(last use, bytes, folder) of each recording in the cache, the least recently used first."""
    found: list[tuple[float, int, Path]] = []
    for folder in cache.glob("*"):
        with contextlib.suppress(FileNotFoundError):
            used_s = folder.stat().st_mtime
            found.append((used_s, sum(_size(file) or 0 for file in folder.iterdir()), folder))
    return sorted(found)
