"""Paths that older designs of this interface had: each is answered with what replaces it, as long as no route has the path."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from aiohttp import web
from aiohttp.typedefs import Handler

from web.errors import Moved

# An older path -> what replaces it. What lies below such a path is answered alike.
REPLACED: Mapping[str, str] = MappingProxyType(
    {
        "/api/stream/start": "POST /whip/{username} with an SDP offer",
        "/api/stream/chunk": "POST /whip/{username} with an SDP offer; sound then goes by WebRTC, not in pieces by HTTP",
        "/api/webrtc/offer": "POST /whip/{username} with an SDP offer",
        "/api/webrtc/listen": "POST /whep/{username} with an SDP offer",
        "/api/friends/request": "POST /api/friend-request/send",
        "/api/friends/accept": 'POST /api/friend-request/{id}/respond with {"action": "accept"}',
        "/api/friends/reject": 'POST /api/friend-request/{id}/respond with {"action": "reject"}',
        "/ws/guitar": "WebSocket /ws/session/{id} of a companion session, which POST /api/companions makes",
    }
)
_OLDER = re.compile(f"({'|'.join(map(re.escape, REPLACED))})(?:/.*)?")


@web.middleware
async def tell_moved(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a request of an older path that no route answers. Nothing is changed by it, so nobody is asked who they are. Raises Moved."""
    older = _OLDER.fullmatch(request.path)
    if older is not None and request.match_info.http_exception is not None:
        raise Moved(f"{older[1]} is a path of an older design. Instead: {REPLACED[older[1]]}.")
    return await handler(request)
