"""The page /api: the documents of routes and sockets as HTML for readers, made by the server. It has no script.

Each route, socket and struct has an anchor. `?q=` leaves the routes and sockets that have each of its words.
"""

import asyncio
import base64
import hashlib
import html
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

from aiohttp import hdrs, web
from msgspec import Meta

from web.http.asyncapi import SOCKETS, socket_document
from web.http.json_body import query_as
from web.http.openapi import PROBLEM_TYPE, TABLE, document
from web.http.schema_words import in_words
from web.http.shapes import Query

Document = Mapping[str, Any]

STYLE = """
:root {
  color-scheme: light dark;
  --bg: #F7F4EE; --surface: #FFFFFF; --ink: #1C1B1A; --ink-2: #5F5A52; --hair: #DDD7CB; --voice: #0B6E69; --focus: #1F4FD8; }
@media (prefers-color-scheme: dark) { :root:not([data-theme="light"]) {
  --bg: #141312; --surface: #1E1C1A; --ink: #F1EDE6; --ink-2: #B3ABA0; --hair: #35312D; --voice: #5CCFC4; --focus: #8FB0FF; } }
:root[data-theme="dark"] {
  color-scheme: dark;
  --bg: #141312; --surface: #1E1C1A; --ink: #F1EDE6; --ink-2: #B3ABA0; --hair: #35312D; --voice: #5CCFC4; --focus: #8FB0FF; }
:root[data-theme="light"] { color-scheme: light; }
* { box-sizing: border-box; }
html { font: 100%/1.5 system-ui, sans-serif; background: var(--bg); color: var(--ink); scroll-padding: 16px; }
body { margin: 0 auto; padding: 16px; max-width: 60rem; overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.3; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0 0 .25rem; }
p, dl, ul { margin: .25rem 0; }
section { background: var(--surface); border: 1px solid var(--hair); border-radius: 10px; padding: 12px; margin: 12px 0; }
section:target { border-color: var(--voice); }
a { color: var(--voice); text-underline-offset: 3px; }
dt { color: var(--ink-2); margin-top: .5rem; }
dd { margin: 0 0 0 1rem; }
form { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
input, button {
  font: inherit; color: inherit; background: var(--surface); border: 1px solid var(--ink-2); border-radius: 8px; min-height: 44px;
  padding: 0 12px; }
input { flex: 1 1 12rem; min-width: 0; }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }
"""
DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{DIGEST}'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
HEADERS = {hdrs.CONTENT_TYPE: "text/html; charset=utf-8", hdrs.CACHE_CONTROL: "no-cache", "Content-Security-Policy": POLICY}


class ReferenceQuery(Query, frozen=True, kw_only=True):
    """q: words that a route or socket shall have."""

    q: Annotated[str, Meta(max_length=100)] = ""


class PageSection(NamedTuple):
    """A route or socket on the page. text: what a search looks into."""

    group: str
    anchor: str
    markup: str

    @property
    def text(self) -> str:
        return html.unescape(re.sub(r"<[^>]*>", "", self.markup)).lower()


async def reference(request: web.Request) -> web.Response:
    """This interface for readers: every route, socket and struct, with a search."""
    wanted = query_as(request, ReferenceQuery).q
    theme = request.cookies.get("theme", "")
    page = await asyncio.to_thread(_page, document(request.app[TABLE]), socket_document(request.app[SOCKETS]), wanted, theme)
    return web.Response(text=page, headers=HEADERS)


def _page(routes: Document, sockets: Document, wanted: str, theme: str) -> str:
    structs = {**sockets["components"]["schemas"], **routes["components"]["schemas"]}
    entries = [*_routes(routes), *_sockets(sockets)]
    found = [entry for entry in entries if all(word in entry.text for word in wanted.lower().split())]
    groups = list(dict.fromkeys(entry.group for entry in found))
    body = [f'<h2 id="{group}">{group}</h2>{"".join(entry.markup for entry in found if entry.group == group)}' for group in groups]
    shown = "".join(body) or "<p>No route and no socket has these words.</p>"
    ways = "".join(f'<li><a href="#{group}">{group}</a></li>' for group in groups)
    kinds = "" if wanted else '<h2 id="structs">structs</h2>' + "".join(_struct(name, structs[name]) for name in sorted(structs))
    dressed = f' data-theme="{theme}"' if theme in ("light", "dark") else ""
    return (
        f'<!doctype html><html lang="en"{dressed}><head><meta charset="utf-8"><title>Interface · Hushcast</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="/favicon.svg" type="image/svg+xml">'
        f"<style>{STYLE}</style></head><body><main><h1>The interface of this server</h1>"
        '<p>For programs: <a href="/api/openapi.json">openapi.json</a> (routes), <a href="/api/asyncapi.json">asyncapi.json</a> (sockets). '
        'Errors are problem documents (RFC 9457), whose <code>code</code> stays. <a href="/">Back to Hushcast</a></p>'
        f'<form action="/api" role="search"><label for="q">Search</label><input id="q" name="q" type="search" maxlength="100" '
        f'value="{html.escape(wanted)}"><button>Search</button></form>'
        f'<p role="status">{len(found)} of {len(entries)} routes and sockets</p><nav aria-label="Groups"><ul>{ways}</ul></nav>'
        f"{shown}{kinds}</main></body></html>"
    )


def _routes(routes: Document) -> Iterator[PageSection]:
    for path, operations in routes["paths"].items():
        for method, operation in operations.items():
            facts = [("who", operation.get("x-who", "anyone")), *_asked(operation), *_answered(operation)]
            anchor = operation["operationId"]
            yield PageSection(operation["tags"][0], anchor, _section(anchor, f"{method.upper()} {path}", operation["summary"], facts))


def _asked(operation: Document) -> Iterator[tuple[str, str]]:
    for each in operation.get("parameters", ()):
        yield f"{each['in']}: `{each['name']}`", in_words(each["schema"], _name)
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield "body", f"{media}: {in_words(content['schema'], _name)}"


def _answered(operation: Document) -> Iterator[tuple[str, str]]:
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        if PROBLEM_TYPE in content:
            yield status, ", ".join(f"`{code}`" for code in content[PROBLEM_TYPE]["schema"]["allOf"][1]["properties"]["code"]["enum"])
        else:
            told = [f"{media}: {in_words(each['schema'], _name)}" if "schema" in each else media for media, each in content.items()]
            yield status, "; ".join(told) or "no body"


def _sockets(sockets: Document) -> Iterator[PageSection]:
    for name, channel in sockets["channels"].items():
        facts = [("who", channel["x-who"])]
        for action, end in (("receive", "to the server"), ("send", "to the client")):
            for each in sockets["operations"][f"{name}_{action}"]["messages"]:
                message = sockets["components"]["messages"][each["$ref"].rpartition("/")[2]]
                facts.append((f"{end}: `{message['name']}`", f"{_name(message['title'])}: {message['summary']}"))
        facts += [(f"closed with {each['code']}", f"{each['meaning']}; come back? {each['again']}") for each in channel["x-close-codes"]]
        anchor = f"socket_{name}"
        yield PageSection("sockets", anchor, _section(anchor, f"WebSocket {channel['address']}", channel["description"], facts))


def _struct(name: str, schema: Document) -> str:
    facts = [(f"`{field}`", in_words(kind, _name)) for field, kind in schema.get("properties", {}).items()]
    return _section(f"struct_{name}", name, " ".join(schema.get("description", "").split()), facts)


def _name(struct: str) -> str:
    return f"`#{struct}`"


def _section(anchor: str, title: str, told: str, facts: list[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{_marked(term)}</dt><dd>{_marked(fact)}</dd>" for term, fact in facts)
    head = f'<h3><a href="#{anchor}"><code>{html.escape(title)}</code></a></h3>'
    return f'<section id="{anchor}" aria-label="{html.escape(title)}">{head}<p>{_marked(told)}</p><dl>{rows}</dl></section>'


def _marked(text: str) -> str:
    """Text with its backticks as code; a word that begins with # is a struct and leads to it."""
    return re.sub(r"`([^`]+)`", lambda found: _code(found[1]), html.escape(text))


def _code(word: str) -> str:
    name = word.removeprefix("#")
    return f"<code>{name}</code>" if name == word else f'<a href="/api#struct_{name}"><code>{name}</code></a>'
