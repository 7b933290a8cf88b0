"""The stage that all foreign clients share."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from tests.clients.stage import Stage, staged
from tests.support.running import Server

LIGHT = {f"test_{name}.py" for name in ("aiortc", "examples", "ffmpeg", "gstreamer", "libdatachannel", "werift")}  # no browser


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.real_time(pair=item.path.name in LIGHT))


@pytest.fixture
async def stage(server: Callable[..., Awaitable[Server]]) -> AsyncIterator[Stage]:
    async with staged(await server({"denoise.default": "passthrough", "http.modules": True})) as made:
        yield made


@pytest.fixture
async def elsewhere() -> AsyncIterator[str]:
    """A page of another origin: whatever a browser does from there has to pass CORS."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><link rel=icon href=data:,>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()
