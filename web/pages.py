"""The browser's part: one page for every address, and the bundle of its scripts and styles, or the modules as they are.

With `http.modules` off the page names three files of web/client/dist, whose URLs change with their content, so that browsers keep them
for good. They are read once, at the start.
"""

import asyncio
import hashlib
import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from db.errors import Unavailable
from sfu.config.errors import ConfigError
from sfu.errors import Refused
from web.auth.identity import current_login
from web.http.codings import IDENTITY, best_coding
from web.http.conditions import is_known
from web.http.forwarded import is_marked
from web.http.middleware import is_guarded
from web.http.origin import ADDRESSES, is_from_this_machine
from web.http.ranges import SentFile
from web.http.tls import Tls
from web.keys import CONFIG

# Browsers ask at each load, and are answered 304 while nothing has changed.
FRESH: Mapping[str, str] = {hdrs.CACHE_CONTROL: "no-cache"}
FOREVER: Mapping[str, str] = {hdrs.CACHE_CONTROL: "public, max-age=31536000, immutable"}
A_DAY: Mapping[str, str] = {hdrs.CACHE_CONTROL: "public, max-age=86400"}  # for the icon, which a browser asks for more than once a visit
PAGE: Mapping[str, str] = {**FRESH, hdrs.CONTENT_TYPE: "text/html; charset=utf-8", hdrs.VARY: hdrs.COOKIE}
THEMES = ("light", "dark")  # as page/theme.js writes them into the cookie `theme`
KINDS = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
CODINGS = {"br": ".br", "gzip": ".gz"}  # content coding -> suffix of the file, the smaller one first
BUNDLE = ("page.js", "page.css", "admin.js")  # the last one is loaded by the owner's page, by the URL in the meta tag `admin`
BUILD_HEADER = "Hushcast-Build"
OF_WHO_IS_SIGNED_IN = ("/api/friends", "/api/friend-requests/pending")  # what each of the views asks for first
NO_PAGES = ("/api/", "/whip/", "/whep/", "/ws/", "/dist/")
_PARTS = re.compile(r'<link rel="stylesheet" href="[^"]+">\n|<script type="module" src="[^"]+"></script>\n')


@dataclass(frozen=True)
class BundledFile:
    """One file of the bundle. digest: of its content, part of its URL. bodies: its bytes by content coding."""

    name: str
    kind: str
    digest: str
    bodies: Mapping[str, bytes]

    @property
    def url(self) -> str:
        stem, _, suffix = self.name.partition(".")
        return f"/dist/{stem}.{self.digest}.{suffix}"


class Client:
    """What browsers get. files: the bundle by URL, empty with `http.modules` on; build: changes with it, "" without it."""

    def __init__(self, folder: Path, modules: bool) -> None:
        """Raises ConfigError if the bundle is not there."""
        self.folder = folder
        bundle = [] if modules else [_bundled(folder / "dist", name) for name in BUNDLE]
        self.files: Mapping[str, BundledFile] = {file.url: file for file in bundle}
        self.build = _digest("".join(self.files).encode()) if bundle else ""
        self._index = self._with_bundle() if bundle else None

    def index(self) -> str:
        """The page. Blocks: with `http.modules` on its file is read each time."""
        return self._read() if self._index is None else self._index

    def _read(self) -> str:
        return (self.folder / "index.html").read_text("utf-8")

    def _with_bundle(self) -> str:
        """The page with the bundle in place of its modules and styles; the preload fetches the script first, as it is the larger file."""
        script, style, owners = self.files
        lines = (
            f'<link rel="modulepreload" href="{script}">',
            f'<link rel="stylesheet" href="{style}">',
            f'<script type="module" src="{script}"></script>',
            f'<meta name="build" content="{self.build}">',
            f'<meta name="admin" content="{owners}">',
            "</head>",
        )
        return _PARTS.sub("", self._read()).replace("</head>", "\n".join(lines), 1)


CLIENT = web.AppKey("CLIENT", Client)


async def page(request: web.Request) -> web.StreamResponse:
    """The page. Which view it shows is decided in the browser, by the address; what it says about links for others, by its head."""
    body = await asyncio.to_thread(_page_body, request, await _is_signed_in(request))
    return _answer(request, body, _digest(body), PAGE)


@web.middleware
async def answer_lost(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a browser that goes to an address that no route has with the page, which says so, and 404."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        is_routed = request.match_info.http_exception is None
        if is_routed or request.path.startswith(NO_PAGES) or "text/html" not in request.headers.get(hdrs.ACCEPT, ""):
            raise
        return web.Response(status=404, body=await asyncio.to_thread(_page_body, request), headers=PAGE)


async def bundled(request: web.Request) -> web.StreamResponse:
    """One file of the bundle, in the coding that the request accepts best. Raises HTTPNotFound for that of another build."""
    file = request.app[CLIENT].files.get(request.path.rstrip("/"))
    if file is None:
        raise web.HTTPNotFound
    coding = best_coding(request.headers.getall(hdrs.ACCEPT_ENCODING, ()), tuple(CODINGS))
    headers = {**FOREVER, hdrs.CONTENT_TYPE: file.kind, hdrs.VARY: hdrs.ACCEPT_ENCODING}
    if coding != IDENTITY:
        headers[hdrs.CONTENT_ENCODING] = coding
    return _answer(request, file.bodies[coding], f"{file.digest}-{coding}", headers)


async def asset(request: web.Request) -> web.StreamResponse:
    """A file of the client's folder; the route allows plain names only. Raises HTTPNotFound, with `http.modules` off for modules too."""
    client, name = request.app[CLIENT], request.match_info["asset"]
    file, kind = client.folder / name, KINDS.get(name.rpartition(".")[2])
    if (client.build and kind) or not await asyncio.to_thread(file.is_file):
        raise web.HTTPNotFound
    return SentFile(file, {**FRESH, hdrs.CONTENT_TYPE: kind} if kind else A_DAY)


async def tell_build(request: web.Request, response: web.StreamResponse) -> None:
    """Name the build in answers of the interface, so that a page of another one learns that it is not the server's."""
    if (build := request.app[CLIENT].build) and is_guarded(request.path):
        response.headers[BUILD_HEADER] = build


def _answer(request: web.Request, body: bytes, tag: str, headers: Mapping[str, str]) -> web.Response:
    """200, or 304 if the request has what this ETag names."""
    answered = {**headers, hdrs.ETAG: f'"{tag}"'}
    if is_known(request, tag):
        answered.pop(hdrs.CONTENT_ENCODING, None)
        return web.Response(status=304, headers=answered)
    return web.Response(body=body, headers=answered)


def _bundled(folder: Path, name: str) -> BundledFile:
    try:
        bodies = {coding: (folder / f"{name}{end}").read_bytes() for coding, end in {IDENTITY: "", **CODINGS}.items()}
    except OSError as error:
        raise ConfigError(
            f"the page's bundle cannot be read ({error}): `python3 run.py bundle` makes it, http.modules does without"
        ) from None
    return BundledFile(name, KINDS[name.rpartition(".")[2]], _digest(bodies[IDENTITY]), bodies)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


async def _is_signed_in(request: web.Request) -> bool:
    """As far as it can be told now. A cookie alone says nothing: the answers that it gets would be kept for whoever signs in."""
    try:
        await current_login(request)
    except (Refused, Unavailable):
        return False
    return True


def _page_body(request: web.Request, signed_in: bool = False) -> bytes:
    """signed_in: what the page asks for first is on its way beside the script."""
    urls = OF_WHO_IS_SIGNED_IN if signed_in else ()
    lines = [*(f'<link rel="preload" href="{url}" as="fetch" crossorigin>' for url in urls), *_told(request)]
    return _themed(_with_head(request.app[CLIENT].index(), lines), request.cookies.get("theme", "")).encode()


def _themed(page: str, theme: str) -> str:
    """The page in the colours that this browser wants: they are there when it is first painted, before its script runs."""
    return page.replace("<html ", f'<html data-theme="{theme}" ', 1) if theme in THEMES else page


def _told(request: web.Request) -> list[str]:
    """Meta tags for the head.

    `site`: the site's address for other machines, if the page was opened by a name that only this machine knows. `certificate`:
    "self-signed" if browsers will warn. Other machines are not told this one's addresses.
    """
    addresses, told = request.app[ADDRESSES], {}
    if is_from_this_machine(request) and (site := addresses.public_site(request)) != addresses.site(request):
        told["site"] = site
        warned = site.startswith("https:") and not request.app[CONFIG].http.public_url
    else:
        context = request.transport.get_extra_info("sslcontext") if request.transport is not None else None
        warned = isinstance(context, Tls) and not context.vouched_for and not is_marked(request.headers)
    told |= {"certificate": "self-signed"} if warned else {}
    return [f'<meta name="{name}" content="{html.escape(content)}">' for name, content in told.items()]


def _with_head(page: str, lines: Iterable[str]) -> str:
    return page.replace("</head>", "\n".join([*lines, "</head>"]), 1)
