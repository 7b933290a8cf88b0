"""Passes a client's request on to the node that it is for, and hands that node's answer back as it is.

Nothing of a login goes along: no cookie, no Authorization. What this node has checked is signed on instead (`web.http.relayed`).
"""

import asyncio
from http import HTTPStatus
from typing import Literal, NamedTuple

import aiohttp
from aiohttp import hdrs, web
from msgspec.structs import replace
from multidict import CIMultiDict, MultiMapping

from db.tables import User, now
from web.auth.identity import LOGIN, TOKEN, Hearing, grant_of
from web.errors import NodeAway
from web.http import timeouts
from web.http.origin import ADDRESSES
from web.http.relayed import Relayed
from web.keys import NODE
from web.nodes.peers import ANSWER_S, REFUSED, NodeClient
from web.nodes.signed_requests import Question

PASSED_ON = (  # of a request; all else is between the client and this node
    *(hdrs.CONTENT_TYPE, hdrs.ACCEPT, hdrs.RANGE, hdrs.IF_RANGE),
    *(hdrs.IF_MATCH, hdrs.IF_NONE_MATCH, hdrs.IF_MODIFIED_SINCE, hdrs.IF_UNMODIFIED_SINCE),
)
HOP_BY_HOP = {  # RFC 9110 §7.6.1
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"),
    *("transfer-encoding", "upgrade"),
}
NOT_HANDED_BACK = {*HOP_BY_HOP, "date", "server", "set-cookie", "content-length", REFUSED.lower()}
PIECE = 64 * 1024  # of a body on its way; a longer one is never held as a whole
LONGEST_HOST = 255

NODE_CLIENT = web.AppKey("NODE_CLIENT", NodeClient)


class Errand(NamedTuple):
    """A request that is another node's. within_s: the time until its answer begins."""

    node: str
    relayed: Relayed
    within_s: float = ANSWER_S


def relayed_by(request: web.Request, user: User, scope: str = "") -> Relayed:
    """What to say of a request that `current_user` has accepted, with this scope where it has a token."""
    right = {"scope": scope if TOKEN in request else "", "grant": grant_of(request)}
    return replace(_seen(request), user_id=user.id, username=user.username, about_id=user.id, about=user.username, **right)


def heard_by(request: web.Request, allowed: Hearing) -> Relayed:
    """What to say of a request that `hearing` has accepted."""
    lasts_s = None if allowed.until is None else max(0.0, (allowed.until - now()).total_seconds())
    about = {"about_id": allowed.broadcaster.id, "about": allowed.broadcaster.username}
    said = replace(_seen(request), grant=allowed.grant, lasts_s=lasts_s, **about)
    asker = request.get(TOKEN) or request.get(LOGIN)
    if allowed.grant.startswith("link:") or asker is None:
        return said
    return replace(said, user_id=asker.user_id, username=allowed.listener, scope="listen" if TOKEN in request else "")


def of_this_node(app: web.Application, user: User | None = None) -> Relayed:
    """What this node says for itself, without a client's request. user: for whom it asks, if for somebody."""
    said = Relayed(node=app[NODE], client="", scheme="http", host="")
    return said if user is None else replace(said, user_id=user.id, username=user.username, about_id=user.id, about=user.username)


async def passed_on(request: web.Request, errand: Errand) -> web.StreamResponse:
    """The other node's answer. Raises NodeAway where it has not begun in time, and as `body_of`."""
    question = Question(request.method, request.rel_url.raw_path_qs, await whole(request))
    headers = {
        str(name): request.headers[name] for name in PASSED_ON if request.headers.get(name, "").isascii() and name in request.headers
    }
    async with request.app[NODE_CLIENT].asked(errand.node, question, errand.relayed, headers, errand.within_s) as answer:
        return await _handed_back(request, answer)


async def whole(request: web.Request) -> bytes:
    """The body. Read it before the rights are checked: it may take its time, and they may end meanwhile. Raises as `body_of`."""
    return await timeouts.body_of(request) if request.body_exists else b""


def kept(headers: MultiMapping[str]) -> CIMultiDict[str]:
    """The headers of an answer that go on to the client: none of the connection, nor what this node says itself."""
    named = {name.strip().lower() for line in headers.getall(hdrs.CONNECTION, []) for name in line.split(",")}
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in NOT_HANDED_BACK | named)


async def _handed_back(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    headers, length = kept(answer.headers), answer.content_length
    empty = request.method == hdrs.METH_HEAD or answer.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
    if not empty and length is not None and length <= PIECE:
        return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=await _whole(answer))
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    if length is not None and answer.status != HTTPStatus.NO_CONTENT:
        response.content_length = length
    await response.prepare(request)
    if not empty:
        try:
            await _flow(answer, response)
        except (aiohttp.ClientError, TimeoutError):  # an answer that has begun can only be aborted
            timeouts.hang_up(request)
            return response
    await response.write_eof()
    return response


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    """A short body. Raises NodeAway."""
    try:
        async with asyncio.timeout(timeouts.BODY_S):
            return await answer.read()
    except (aiohttp.ClientError, TimeoutError):
        raise NodeAway from None


async def _flow(answer: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
    """Piece by piece, as fast as the client takes them. Raises TimeoutError where one end does nothing, and ClientError."""
    pieces = answer.content.iter_chunked(PIECE)
    while True:
        async with asyncio.timeout(timeouts.STALLED_S):
            piece = await anext(pieces, b"")
            if not piece:
                return
            await response.write(piece)


def _seen(request: web.Request) -> Relayed:
    """What this node has seen of the client. A Host that is none is left out: nothing is offered by it."""
    addresses, host = request.app[ADDRESSES], request.headers.get(hdrs.HOST, "")
    fits = host.isascii() and len(host) <= LONGEST_HOST
    scheme: Literal["http", "https"] = "https" if addresses.is_https(request) else "http"
    return Relayed(node=request.app[NODE], client=addresses.client(request), scheme=scheme, host=host if fits else "")
