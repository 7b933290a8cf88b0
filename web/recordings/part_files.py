"""Where the bytes of a part of a recording come from: this server's disk, or a source elsewhere, as another server.

`PartFiles.found` is the one place that asks. A source is a function; `sources` are asked in turn, and the first that has the part counts.
"""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from db.tables import RecordingPart
from web.errors import NodeAway
from workers.recordings.spans import OF_A_PART

logger = logging.getLogger(__name__)

FILES = OF_A_PART
Pieces = AsyncIterator[bytes]
# Opens one file of a part; None: the part has no such file. Raises PartAway, or NodeAway, where it cannot be had now.
Source = Callable[[RecordingPart, str], AbstractAsyncContextManager[Pieces | None]]


class PartAway(Exception):
    """A source has not got it, or not now; the text is for the log."""


class PartFiles:
    """Knows the storage of this server, and the sources elsewhere. Owns nothing: folders that it fills are the caller's."""

    def __init__(self, storage: Path, node: str) -> None:
        self._storage, self._node = storage, node
        self.sources: list[Source] = []

    async def found(self, part: RecordingPart, own: str, into: Path) -> Path | None:
        """The folder with the files of a closed part: as they lie here, or as they were fetched `into` a folder, which is made.

        own: the folder of the recording, in which the part is that does not lie apart. None where they cannot be had now. Raises OSError.
        """
        if (here := await self.here(part, own)) is not None:
            return here
        for source in self.sources:
            try:
                await self._fetch(part, source, into)
            except (NodeAway, PartAway) as away:
                logger.info("a part of recording %s at %s cannot be had yet: %s", part.recording_id, part.node, away)
            else:
                return into
        return None

    async def here(self, part: RecordingPart, own: str) -> Path | None:
        """The folder of a part that lies on this server's disk."""
        folder = self._storage / (part.folder or own)
        return folder if part.node == self._node and await asyncio.to_thread(folder.is_dir) else None

    async def _fetch(self, part: RecordingPart, source: Source, into: Path) -> None:
        await asyncio.to_thread(_emptied, into)
        left = part.size_bytes
        for name in FILES:
            async with source(part, name) as pieces:
                if pieces is None:
                    continue
                with await asyncio.to_thread((into / name).open, "wb") as file:
                    async for piece in pieces:
                        left -= len(piece)
                        if left < 0:
                            raise PartAway(f"it is longer than the {part.size_bytes} bytes that were closed")
                        await asyncio.to_thread(file.write, piece)


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
