"""The trash over HTTP: deleted recordings that can still be taken back."""

import asyncio
from datetime import timedelta

from aiohttp import web

from db import recordings
from db.tables import Recording
from sfu.rfc3339 import rfc3339
from web.auth.identity import current_user
from web.http.json_body import query_as
from web.http.responses import encoded_list, id_of, nothing, ready
from web.http.shapes import Timestamp
from web.keys import CONFIG, DB
from web.recordings.recordings import RecordingRow, RecordingsPage, values_of
from web.recordings.tidying import TIDYING


class DeletedRow(RecordingRow, frozen=True, kw_only=True):
    """A recording of the trash. gone_at: it may become later, where the clock was not trusted."""

    deleted_at: Timestamp
    gone_at: Timestamp


async def listed(request: web.Request) -> web.Response:
    """List the own deleted recordings, newest first, each with the time of its final deletion."""
    user = await current_user(request)
    part = query_as(request, RecordingsPage).part
    found = await request.app[DB].read(recordings.of_user, user.id, *part, in_trash=True)
    keeps = timedelta(days=request.app[CONFIG].recording.trash_days)
    return ready(await asyncio.to_thread(_written, found, keeps))


async def restore(request: web.Request) -> web.Response:
    """Take a deleted recording back."""
    user = await current_user(request)
    await request.app[TIDYING].restore(user.id, id_of(request))
    return nothing()


def row_of_deleted(recording: Recording, keeps: timedelta) -> DeletedRow:
    """A recording of the trash as its list shows it."""
    gone_at = (recording.counts_from or recording.deleted_at) + keeps
    return DeletedRow(**values_of(recording), deleted_at=rfc3339(recording.deleted_at), gone_at=rfc3339(gone_at))


def _written(found: list[Recording], keeps: timedelta) -> bytes:
    """As the list of recordings is written."""
    return encoded_list(row_of_deleted(recording, keeps) for recording in found)
