"""The files of a recording's parts: asked of the node that has them, and given to the node that joins them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import aiohttp
from aiohttp import hdrs, web

from db import recording_parts
from db.tables import RecordingPart
from sfu.errors import NotFound
from web.errors import NodeAway
from web.http import timeouts
from web.http.ranges import SentFile
from web.http.responses import id_of
from web.keys import DB, NODE
from web.nodes.peers import READ_S
from web.nodes.signed_requests import Question
from web.recordings.archive import ARCHIVE
from web.recordings.part_files import FILES, PartAway, Pieces, Source
from web.signalling.proxying import NODE_CLIENT, PIECE, of_this_node

PART = "/node/part/"


def other_nodes(app: web.Application) -> Source:
    """The source of parts that asks the node that has one."""

    @asynccontextmanager
    async def read(part: RecordingPart, name: str) -> AsyncIterator[Pieces | None]:
        if part.node == app[NODE]:
            raise PartAway("its files are not here any more")
        question = Question(hdrs.METH_GET, f"{PART}{part.id}/{name}")
        async with app[NODE_CLIENT].asked(part.node, question, of_this_node(app), within_s=READ_S) as answer:
            if answer.status not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
                raise PartAway(f"it answers {answer.status}")
            yield _pieces(answer) if answer.status == HTTPStatus.OK else None

    return read


async def _pieces(answer: aiohttp.ClientResponse) -> Pieces:
    pieces = answer.content.iter_chunked(PIECE)
    while True:
        try:
            async with asyncio.timeout(timeouts.STALLED_S):
                piece = await anext(pieces, b"")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PartAway(f"it has stopped in the middle: {error or type(error).__name__}") from None
        if not piece:
            return
        yield piece


async def part_file(request: web.Request) -> web.StreamResponse:
    """A file of a closed part that lies here. 404: the part has no such file."""
    name = request.match_info["name"]
    part = await request.app[DB].read(recording_parts.find, id_of(request))
    if part is None or name not in FILES:
        raise NotFound
    folder = await request.app[ARCHIVE].parts.here(part, "") if part.folder and part.sha256 else None
    if folder is None:
        raise NodeAway  # it is not closed, or its files are gone
    if not await asyncio.to_thread((folder / name).exists):
        raise NotFound
    return SentFile(folder / name, {hdrs.CONTENT_TYPE: "application/octet-stream"})
