"""Preferences: what the page remembers for an account, on all its devices. The server stores the object and does not read it."""

from aiohttp import web

from db import preferences
from sfu.errors import PreconditionFailed
from web.auth.identity import current_user, write_signed_in
from web.errors import PreconditionRequired, TooLarge
from web.http.conditions import if_match
from web.http.json_body import object_text
from web.http.responses import ready
from web.keys import DB

MOST_BYTES = 8192


async def show(request: web.Request) -> web.Response:
    """The account's preferences: a JSON object, empty where nothing was stored."""
    user = await current_user(request)
    return _tagged(await request.app[DB].read(preferences.of_user, user.id))


async def replace(request: web.Request) -> web.Response:
    """Replace the account's preferences by a JSON object of at most 8 KiB.

    The object replaces all that was stored. If-Match keeps two clients from overwriting each other's fields: whoever gets 412 reads
    the preferences again, changes its own fields and stores the whole.
    """
    user = await current_user(request)
    content, tags = await object_text(request), if_match(request)
    if len(content.encode()) > MOST_BYTES:
        raise TooLarge("Preferences have at most 8 KiB.")
    if tags is None:
        raise PreconditionRequired("Preferences are replaced with If-Match only.")
    if not await write_signed_in(request, preferences.replace, user.id, content, tags):
        raise PreconditionFailed("They have changed since they were read.")
    return _tagged(content)


def _tagged(content: str) -> web.Response:
    response = ready(content.encode())
    response.etag = preferences.tag_of(content)
    return response
