"""The trash over HTTP: deleted recordings that can still be taken back."""

import asyncio
import json
from datetime import timedelta
from typing import Any

from aiohttp import web

from db import recordings
from db.tables import Recording
from web.auth.identity import current_user
from web.http.responses import id_of, nothing, stamp
from web.keys import CONFIG, DB
from web.recordings.recordings import page_of, shown
from web.recordings.tidying import TIDYING


async def listed(request: web.Request) -> web.Response:
    """The asker's deleted recordings, newest first, each with when it will be gone for good."""
    user = await current_user(request)
    limit, before_id, before = page_of(request)
    found = await request.app[DB].read(recordings.of_user, user.id, limit, before_id, before, in_trash=True)
    keeps = timedelta(days=request.app[CONFIG].recording.trash_days)
    return web.Response(text=await asyncio.to_thread(_written, found, keeps), content_type="application/json")


async def restore(request: web.Request) -> web.Response:
    """Take a deleted recording back."""
    user = await current_user(request)
    await request.app[TIDYING].restore(user.id, id_of(request))
    return nothing()


def shown_deleted(recording: Recording, keeps: timedelta) -> dict[str, Any]:
    """A recording of the trash as the interface description has it. `gone_at` may become later, where the clock was not trusted."""
    gone_at = (recording.counts_from or recording.deleted_at) + keeps
    return shown(recording) | {"deleted_at": stamp(recording.deleted_at), "gone_at": stamp(gone_at)}


def _written(found: list[Recording], keeps: timedelta) -> str:
    """As the list of recordings is written."""
    return f"[{', '.join(json.dumps(shown_deleted(recording, keeps)) for recording in found)}]"
