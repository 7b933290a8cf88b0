"""Signalling through any node, put together: who may come in, what is passed on, and what is followed at other nodes."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from aiohttp import web

from sfu.config.schema import NodeConfig
from web.events.presence import PRESENCE
from web.http.metrics import METRICS
from web.http.middleware import guard
from web.keys import NODE
from web.nodes.directory import DIRECTORY
from web.nodes.gate import GATE, Gate, let_in
from web.nodes.membership import MEMBERSHIP
from web.nodes.peers import NodeClient
from web.nodes.placement import Placements
from web.nodes.signed_requests import NodeLife
from web.recordings.archive import ARCHIVE
from web.signalling import inside
from web.signalling.owners import PLACEMENTS, pass_on
from web.signalling.parts_elsewhere import other_nodes
from web.signalling.proxying import NODE_CLIENT
from web.signalling.stream_sockets import StreamFeeds
from web.signalling.takeover import TURNS


def prepare(app: web.Application, node: NodeConfig) -> None:
    """Add the middleware and the inside routes to an app that is not started, and that has its DIRECTORY.

    What another node signs is checked before the Origin is, which it has checked; what is another node's is passed on last, when all
    that looks at a request has done so.
    """
    me = NodeLife(node.name, secrets.token_hex(8))
    app[NODE], app[GATE] = me.name, Gate(me, node.secret)
    app[NODE_CLIENT] = NodeClient(me, node.secret, lambda name: _url_of(app, name))
    app[PLACEMENTS], app[TURNS] = Placements(), WeakValueDictionary()
    app[METRICS] += [app[GATE].samples, app[NODE_CLIENT].samples]
    app.middlewares.insert(app.middlewares.index(guard), let_in)
    app.middlewares.append(pass_on)
    inside.add_routes(app)


@asynccontextmanager
async def signalling(app: web.Application) -> AsyncIterator[None]:
    """Ask the other nodes, and follow their broadcasts, while the app runs."""
    async with AsyncExitStack() as opening:
        client: NodeClient = app[NODE_CLIENT]
        await opening.enter_async_context(client)
        feeds = await opening.enter_async_context(StreamFeeds(app))
        app[METRICS].append(feeds.samples)
        app[PRESENCE].elsewhere = feeds
        app[ARCHIVE].parts.sources.append(other_nodes(app))
        app[ARCHIVE].parts.is_away = lambda name: app[MEMBERSHIP].redis.up and not app[DIRECTORY].is_there(name)
        yield


def _url_of(app: web.Application, name: str) -> str | None:
    node = app[DIRECTORY].nodes().get(name)
    return None if node is None else node.url
