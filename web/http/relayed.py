"""What another node has checked of a request that it passes on; this node takes it instead of looking for cookies, headers and rows."""

from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

Id = Annotated[int, Meta(ge=0)]
Text = Annotated[str, Meta(max_length=512)]


class Relayed(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, by what right, about whose broadcast, and the client's address, scheme and Host as the other node has seen them.

    user_id 0 and username "": the bearer of a listen link, or the node itself. scope "": by a login, else the token's scope that was
    asked for. lasts_s: for how long the right lasts yet; None: no end.
    """

    node: Text
    client: Text
    scheme: Literal["http", "https"]
    host: Text
    user_id: Id = 0
    username: Text = ""
    scope: Text = ""
    grant: Text = ""
    about_id: Id = 0
    about: Text = ""
    lasts_s: Annotated[float, Meta(ge=0)] | None = None


RELAYED = web.RequestKey("RELAYED", Relayed)
