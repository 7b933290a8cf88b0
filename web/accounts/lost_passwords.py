"""Ways back in for who has lost the password: the one-time link that the server's owner makes, and recovery codes."""

import logging
from typing import Annotated

from aiohttp import web
from msgspec import Meta

from db import recovery, resets, revocation, users
from db.revocation import Renewed
from db.tables import User
from sfu.errors import NotFound
from web.accounts.accounts import SignedIn, verified
from web.auth.identity import bearer_of, current_login, current_user, sign_in, signed_out, write_signed_in
from web.auth.passwords import PASSWORDS
from web.auth.rate_limit import RATE_LIMIT
from web.auth.recovery_codes import RECOVERY_CODES
from web.auth.secret import digest
from web.errors import BadCredentials, Suspended
from web.events.presence import PRESENCE
from web.http.json_body import body_as
from web.http.origin import ADDRESSES
from web.http.responses import created, ok
from web.http.shapes import Answer, AnyPassword, Body, LinkOrCode, NewPassword
from web.keys import DB
from web.live.companion_session import COMPANIONS

logger = logging.getLogger(__name__)

NO_LINK = "This link was used, is older than a day, or is unknown. Ask for another one."


class ResetUse(Body, frozen=True, kw_only=True):
    """token: of a reset link, or the whole link."""

    token: LinkOrCode
    password: NewPassword


class WhoseReset(Answer, frozen=True, kw_only=True):
    """Whose password a reset link sets."""

    username: str


class CodesLeft(Answer, frozen=True, kw_only=True):
    """How many recovery codes are unused."""

    left: int


class CodesWish(Body, frozen=True, kw_only=True):
    """The password once more: codes are another way in."""

    password: AnyPassword


class CodesMade(Answer, frozen=True, kw_only=True):
    """The codes, shown in this answer only."""

    codes: list[str]


class CodeUse(Body, frozen=True, kw_only=True):
    """A recovery code and the new password."""

    username: Annotated[str, Meta(min_length=1, max_length=200)]
    code: Annotated[str, Meta(min_length=1, max_length=200)]
    password: NewPassword


async def look(request: web.Request) -> web.Response:
    """Whose password the reset link sets whose token is in the Authorization header. It is not used up by this."""
    return ok(WhoseReset(username=(await _user_of(request, bearer_of(request) or "")).username))


async def reset(request: web.Request) -> web.Response:
    """Set a new password by a reset link, once. All logins, companion sessions and recovery codes of the account end."""
    body = await body_as(request, ResetUse)
    token = body.token.strip().rpartition("#")[2]
    user = await _user_of(request, token)
    request.app[PASSWORDS].weak.check(user.username, body.password)
    kept = await request.app[PASSWORDS].hash(body.password)
    renewed = await request.app[DB].run(revocation.reset_password, digest(token), kept)
    await _ended(request.app, renewed)
    return ok(WhoseReset(username=user.username))


async def codes_left(request: web.Request) -> web.Response:
    """Tell how many recovery codes the account has left."""
    user = await current_user(request)
    return ok(CodesLeft(left=await request.app[DB].read(recovery.left, user.id)))


async def make_codes(request: web.Request) -> web.Response:
    """Make ten recovery codes; those before are void. They are in this answer only."""
    mine = await current_login(request)
    body = await body_as(request, CodesWish)
    user = await verified(request, mine.user.username, body.password)
    made = request.app[RECOVERY_CODES].fresh()
    await write_signed_in(request, recovery.replace, user.id, [request.app[RECOVERY_CODES].digest(user.id, code) for code in made])
    return created(CodesMade(codes=made))


async def recover(request: web.Request) -> web.Response:
    """Set a new password by a recovery code, which is used up, and sign in. All other logins and companion sessions end.

    Guesses are limited as those of passwords are.
    """
    body = await body_as(request, CodeUse)
    address = request.app[ADDRESSES].client(request)
    await request.app[RATE_LIMIT].begin(body.username, address)
    user = await request.app[DB].read(users.find, body.username)
    code = request.app[RECOVERY_CODES].digest(0 if user is None else user.id, body.code)
    right = await request.app[DB].read(recovery.has, 0 if user is None else user.id, code)  # an unknown name takes as long as a known one
    if user is None or not right:
        raise _wrong(request, address)
    await request.app[RATE_LIMIT].succeeded(body.username, address)
    if user.suspended:
        raise Suspended
    request.app[PASSWORDS].weak.check(user.username, body.password)
    kept = await request.app[PASSWORDS].hash(body.password)
    renewed = await request.app[DB].run(revocation.recover_password, user, code, kept)
    if renewed is None:  # another request was quicker with it
        raise _wrong(request, address)
    await _ended(request.app, renewed)
    await sign_in(request, renewed.user)
    return ok(SignedIn(username=user.username))


def _wrong(request: web.Request, address: str) -> BadCredentials:
    request.app[RATE_LIMIT].failed(address)
    return BadCredentials("Name or recovery code is wrong, or the code was used.")


async def _user_of(request: web.Request, token: str) -> User:
    """Whose password this token sets. An address may guess so often. Raises NotFound, TooMany."""
    address = request.app[ADDRESSES].client(request)
    await request.app[RATE_LIMIT].guess(address)
    user = await request.app[DB].read(resets.find, digest(token))
    if user is None:
        raise NotFound(NO_LINK)
    await request.app[RATE_LIMIT].guessed(address)
    return user


async def _ended(app: web.Application, renewed: Renewed) -> None:
    """End what went on by the logins and companion sessions that have ended with the old password."""
    await app[COMPANIONS].end_of(renewed.user.id)
    await signed_out(app, renewed.logins)
    app[PRESENCE].rights_over()
    logger.info("an account has a new password; %d logins have ended", len(renewed.logins))
