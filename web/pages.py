"""The browser's part: one page for every place, and the modules it is made of. Read off the loop, checked by ETag."""

from aiohttp import hdrs, web

from web.keys import CLIENT
from web.ranges import SentFile

# Always ask, and be told "not changed": so a new version is there with the next load.
FRESH: dict[str, str] = {hdrs.CACHE_CONTROL: "no-cache"}


async def page(request: web.Request) -> web.StreamResponse:
    """The page; what it shows is decided in the browser, by the address."""
    return SentFile(request.app[CLIENT] / "index.html", {**FRESH, hdrs.CONTENT_TYPE: "text/html; charset=utf-8"})


async def asset(request: web.Request) -> web.StreamResponse:
    """A part of the page. The route lets no other name through than plain ones below the client's folder."""
    return SentFile(request.app[CLIENT] / request.match_info["asset"], FRESH)
