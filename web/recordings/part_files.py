"""Where the bytes of a part of a recording come from: this server's disk, or a source elsewhere, as S3 or another server.

`PartFiles.found` is the one place that asks. A source is a function; `sources` are asked in turn, and the first that has the part counts.
"""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import BinaryIO

from db.tables import RecordingPart
from web.errors import NodeAway, StorageAway
from web.recordings.open_files import opened
from workers.recordings.spans import OF_A_PART

logger = logging.getLogger(__name__)

FILES = OF_A_PART
Pieces = AsyncIterator[bytes]
# Opens one file of a part; None: the part has no such file. It, or a piece, raises PartAway, NodeAway or StorageAway where that is away.
Source = Callable[[RecordingPart, str], AbstractAsyncContextManager[Pieces | None]]


class PartAway(Exception):
    """A source has not got it, or not now; the text is for the log."""


class PartFiles:
    """Knows the storage of this server, the sources elsewhere, and who is away. Owns nothing: folders that it fills are the caller's.

    using: keeps the folder of that name from being deleted because it is in S3. is_away: whether another server is, as far as is known;
    None: nobody knows.
    """

    def __init__(self, storage: Path, node: str) -> None:
        self._storage, self._node = storage, node
        self.sources: list[Source] = []
        self.using: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext()
        self.is_away: Callable[[str], bool] | None = None

    async def found(self, part: RecordingPart, own: str, into: Path, held: ExitStack) -> Path | None:
        """The folder with the files of a closed part: as they lie here, or as they were fetched `into` a folder, which is made.

        own: the folder of the recording, which is this server's, with the parts that do not lie apart. held: what lies here stays until
        this is closed. None where they cannot be had now. Raises OSError.
        """
        held.enter_context(self.using(Path(part.folder or own).name))
        if (here := await self.here(part, own)) is not None:
            return here
        for source in self.sources:
            try:
                await self._fetch(part, source, into)
            except (NodeAway, PartAway, StorageAway) as away:
                logger.info("a part of recording %s at %s cannot be had yet: %s", part.recording_id, part.node, away)
            else:
                return into
        return None

    async def here(self, part: RecordingPart, own: str) -> Path | None:
        """The folder of a part that lies on this server's disk. own: of its recording, where that is this server's."""
        folder, mine = self._storage / (part.folder or own), part.folder is None or part.node == self._node
        return folder if mine and await asyncio.to_thread(folder.is_dir) else None

    async def _fetch(self, part: RecordingPart, source: Source, into: Path) -> None:
        await asyncio.to_thread(_emptied, into)
        left = part.size_bytes if part.folder is not None else float("inf")  # where it was joined with others, the files have theirs too
        for name in FILES:
            async with source(part, name) as pieces:
                if pieces is None:
                    continue
                with await opened(partial(_created, into / name)) as file:
                    async for piece in pieces:
                        left -= len(piece)
                        if left < 0:
                            raise PartAway(f"it is longer than the {part.size_bytes} bytes that were closed")
                        await asyncio.to_thread(file.write, piece)


def _created(path: Path) -> BinaryIO:
    return path.open("wb")


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
