"""Turns every error into a problem document (RFC 9457). No other module of web writes error answers."""

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import http_exceptions, web
from aiohttp.typedefs import Handler

from db.errors import Clash, DatabaseRefusal, Denied, Unavailable
from sfu.errors import Refused
from web.errors import HeadersTooLarge, InternalError, NoSuchRange

logger = logging.getLogger(__name__)
CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}
KEPT_HEADERS = ("Allow", "Retry-After")


@web.middleware
async def failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Translate what the handler raises. An unexpected error is logged with its traceback and answered with 500."""
    try:
        return await handler(request)
    except Refused as refused:
        return _refusal(refused)
    except DatabaseRefusal as refusal:
        return _row_refusal(refusal)
    except Unavailable as trouble:
        return unavailable(trouble)  # db has logged it
    except web.HTTPException as answer:
        if answer.status < 400:
            raise
        return translated(answer)
    except (http_exceptions.HttpProcessingError, web.RequestPayloadError):
        response = problem(400, "bad_request", "The body is not encoded as its headers say.")
        response.force_close()  # nobody knows where the next request begins
        return response
    except ConnectionError:
        raise  # the client has disconnected; aiohttp handles that
    except Exception:
        logger.exception("%s %s failed", request.method, request.match_info.route.resource)
        return mishap()


def translated(answer: web.HTTPException) -> web.Response:
    """The problem document for an error that aiohttp raises as plain text."""
    kept = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
    return problem(answer.status, CODES.get(answer.status, answer.reason.lower().replace(" ", "_")), answer.reason, headers=kept)


def mishap() -> web.Response:
    """500, for an unexpected error."""
    return _refusal(InternalError())


def unavailable(trouble: Unavailable, status: int | None = None) -> web.Response:
    """507 for a full disk, 503 for a database that cannot be used, or `status`; with Retry-After."""
    usual, wait_s, detail = TROUBLES[trouble.code]
    return problem(status or usual, trouble.code, detail, headers={"Retry-After": str(wait_s)})


def no_http() -> web.Response:
    """400, for bytes that are no HTTP request."""
    return problem(400, "bad_request", "This is not valid HTTP, or its head is too long.")


def too_long(most_bytes: int, most_lines: int) -> web.Response:
    """431, for headers that are too long or too many; usually cookies."""
    detail = f"A header has more than {most_bytes} bytes, or there are more than {most_lines}; other software's cookies, perhaps."
    return _refusal(HeadersTooLarge(detail))


def problem(
    status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, fields: Mapping[str, Any] | None = None
) -> web.Response:
    """A problem document. fields: further members."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "code": code, "detail": detail}
    response = web.json_response(document | dict(fields or {}), status=status, headers=headers, content_type="application/problem+json")
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _refusal(refused: Refused) -> web.Response:
    wait = refused.retry_after_s
    if wait is None and refused.status == 429:
        wait = 1.0
    headers = {} if wait is None else {"Retry-After": str(max(1, math.ceil(wait)))}
    if isinstance(refused, NoSuchRange):
        headers["Content-Range"] = f"bytes */{refused.size}"
    response = problem(refused.status, refused.code, refused.detail, headers=headers, fields=refused.fields)
    if refused.status == HTTPStatus.REQUEST_TIMEOUT:
        response.force_close()  # the rest of the body has not been read
    return response


def _row_refusal(refusal: DatabaseRefusal) -> web.Response:
    status = 409 if isinstance(refusal, Clash) else 403 if isinstance(refusal, Denied) else 404
    return problem(status, refusal.code, DETAILS.get(refusal.code, HTTPStatus(status).phrase))


# code -> status, seconds for Retry-After, detail
TROUBLES = {
    "storage_full": (507, 60, "The disk of the server is full. What only reads goes on."),
    "database_busy": (503, 5, "Another program holds the database of the server. Try again in a moment."),
    "database_away": (503, 30, "The database of the server cannot be used. Whoever hosts this has to look at its log."),
}
DETAILS = {
    "username_taken": "Somebody has that name already.",
    "password_changed": "The password has just been changed by somebody else.",
    "already_friends": "You are friends already.",
    "already_requested": "You have asked already; wait for the answer.",
    "already_answered": "That has been answered already.",
    "limit_reached": "There are as many of these as one account may have; one has to go first.",
    "still_live": "It is still being recorded; stop first.",
    "not_in_trash": "It is not in the trash.",
    "own_invite": "That is your own invite.",
    "blocked": "You have blocked them; end that first.",
    "not_found": "There is no such thing.",
    "not_allowed": "This is not yours.",
    "conflict": "That clashes with what is there.",
    "not_owner": "Somebody else owns this server by now.",
    "self": "That is you. Hand the server over first.",
    "suspended": "That account is suspended; it cannot own the server.",
    "name_an_owner": "You own this server: name the account that owns it after you, as `next_owner`.",
    "bad_claim": "Somebody else has just become the owner of this server.",
}
