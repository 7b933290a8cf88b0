"""Who may look after the server."""

from http import HTTPStatus

from aiohttp import web

from db import ownership
from db.tables import User
from sfu.errors import Refused
from web.auth.identity import current_user
from web.errors import NotOwner
from web.keys import DB
from web.pages import page


async def admin_page(request: web.Request) -> web.StreamResponse:
    """The page, for the server's owner; for everybody else with 404, as for an address that there is not."""
    answer = await page(request)
    if answer.status == HTTPStatus.OK:
        try:
            await the_owner(request)
        except Refused:
            answer.set_status(HTTPStatus.NOT_FOUND)
    return answer


async def the_owner(request: web.Request) -> User:
    """The user who sends the request, who owns the server. Raises NotOwner, and what `current_user` raises."""
    user = await current_user(request)
    if await request.app[DB].read(ownership.owner_id) != user.id:
        raise NotOwner
    return user
