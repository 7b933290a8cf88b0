"""The files of a recording's parts in S3, for the server that joins them: as they were sent, or not at all."""

import contextlib
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from db import stored_folders
from db.connection import Database
from db.tables import RecordingPart
from web.recordings.part_files import PartAway, Pieces, Source
from web.recordings.recording_files import RecordingFiles, StoredFile, file_in


def in_s3(database: Database, files: RecordingFiles) -> Source:
    """The source of parts that have moved to S3."""

    @asynccontextmanager
    async def read(part: RecordingPart, name: str) -> AsyncIterator[Pieces | None]:
        stored = await database.read(stored_folders.of_part, part)
        if stored is None:
            raise PartAway("it is not in S3")
        file = file_in(stored, name)
        if file is None:
            yield None
            return
        async with contextlib.aclosing(_compared(files, file)) as pieces:
            yield pieces

    return read


async def _compared(files: RecordingFiles, file: StoredFile) -> AsyncGenerator[bytes, None]:
    digest = hashlib.sha256()
    async with contextlib.aclosing(files.pieces(file, 0, file.size)) as pieces:
        async for piece in pieces:
            digest.update(piece)
            yield piece
    if digest.hexdigest() != file.sha256:
        raise PartAway(f"{file.key} is not as it was sent")
