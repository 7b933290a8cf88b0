"""The browser's part: one page for every place, and the modules it is made of. Read off the loop, checked by ETag."""

import asyncio
import html
from collections.abc import Mapping
from pathlib import Path

from aiohttp import hdrs, web

from web.http.forwarded import is_marked
from web.http.origin import ADDRESSES, is_from_this_machine
from web.http.ranges import SentFile
from web.http.tls import Tls
from web.keys import CONFIG

CLIENT = web.AppKey("CLIENT", Path)  # the folder of what browsers get
# Always ask, and be told "not changed": so a new version is there with the next load.
FRESH: dict[str, str] = {hdrs.CACHE_CONTROL: "no-cache"}
PAGE = {**FRESH, hdrs.CONTENT_TYPE: "text/html; charset=utf-8"}


async def page(request: web.Request) -> web.StreamResponse:
    """The page; what it shows is decided in the browser, by the address, and by what its head says of links for others."""
    file = request.app[CLIENT] / "index.html"
    said = await asyncio.to_thread(_said, request)
    return web.Response(body=await asyncio.to_thread(_with_head, file, said), headers=PAGE) if said else SentFile(file, PAGE)


async def asset(request: web.Request) -> web.StreamResponse:
    """A part of the page. The route lets no other name through than plain ones below the client's folder."""
    return SentFile(request.app[CLIENT] / request.match_info["asset"], FRESH)


def _said(request: web.Request) -> dict[str, str]:
    """For the head. `site`: how others reach us, where the page is called by a name that means this machine only to itself;

    `certificate`: "self-signed" where their browsers will warn. Nobody elsewhere is told this machine's addresses.
    """
    addresses, said = request.app[ADDRESSES], {}
    if is_from_this_machine(request) and (site := addresses.public_site(request)) != addresses.site(request):
        said["site"] = site
        warned = site.startswith("https:") and not request.app[CONFIG].http.public_url
    else:
        context = request.transport.get_extra_info("sslcontext") if request.transport is not None else None
        warned = isinstance(context, Tls) and not context.vouched_for and not is_marked(request.headers)
    return said | ({"certificate": "self-signed"} if warned else {})


def _with_head(file: Path, said: Mapping[str, str]) -> bytes:
    lines = "".join(f'<meta name="{name}" content="{html.escape(content)}">\n' for name, content in said.items())
    return file.read_text("utf-8").replace("</head>", f"{lines}</head>", 1).encode()
