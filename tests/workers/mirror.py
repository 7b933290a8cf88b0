"""A mirror of upstream's weights on 127.0.0.1."""

import asyncio
from contextlib import suppress

from aiohttp import web


class Upstream:
    """A server that has one zip, and vices: it may break off after so many bytes, have another file, or a wrong sum."""

    def __init__(self, archive: bytes) -> None:
        self.archive = archive
        self.break_after: int | None = None
        self.sum: str | None = None
        self.no_sum = 404  # with which status it says that it has none
        self.asked: list[str | None] = []
        self.held = asyncio.Event()
        self.held.set()

    async def zip(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.headers.get("Range"))
        start = int(request.headers["Range"].split("=")[1].rstrip("-")) if request.headers.get("If-Range") == '"1"' else 0
        answer = web.StreamResponse(status=206 if start else 200, headers={"ETag": '"1"'})
        if start:
            answer.headers["Content-Range"] = f"bytes {start}-{len(self.archive) - 1}/{len(self.archive)}"
        answer.content_length = len(self.archive) - start
        await answer.prepare(request)
        if self.break_after is not None:
            await answer.write(self.archive[start : start + self.break_after])
            assert request.transport is not None
            request.transport.close()
            return answer
        await answer.write(self.archive[start : start + 100_000])
        await self.held.wait()
        with suppress(ConnectionResetError):  # the other end may have been killed
            await answer.write(self.archive[start + 100_000 :])
        return answer

    async def sha256(self, _: web.Request) -> web.Response:
        return web.Response(text=self.sum) if self.sum else web.Response(status=self.no_sum)
