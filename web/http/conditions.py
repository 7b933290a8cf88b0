"""Conditional requests: the entity tags of If-Match and If-None-Match (RFC 9110 §13.1)."""

import hashlib
import re

from aiohttp import ETag, hdrs, web

from web.http.responses import ready

_TAG = re.compile(r'(W/)?"([^"]*)"|([^\s,"]+)')  # a tag without quotes is accepted too


def if_match(request: web.Request) -> frozenset[str] | None:
    """The strong entity tags of If-Match without their quotes, `*` among them as it is; None without If-Match.

    A weak one is left out: it may never match.
    """
    if hdrs.IF_MATCH not in request.headers:
        return None
    found = _TAG.findall(",".join(request.headers.getall(hdrs.IF_MATCH)))
    return frozenset(quoted or bare for weak, quoted, bare in found if not weak)


def is_known(request: web.Request, tag: str) -> bool:
    """Whether the client has what this entity tag names (If-None-Match): the answer is 304 then."""
    return any(each.value in (tag, "*") for each in request.if_none_match or ())


def unless_known(request: web.Request, body: bytes, essence: bytes | None = None) -> web.Response:
    """200 with the JSON body, or 304 where the client has it already (If-None-Match).

    essence: what has to change for the client to be told; the tag is a weak one then, for the rest of the body may differ.
    """
    value = hashlib.sha256(body if essence is None else essence).hexdigest()[:32]
    response = web.Response(status=304) if is_known(request, value) else ready(body)
    response.etag = ETag(value, is_weak=essence is not None)
    return response
