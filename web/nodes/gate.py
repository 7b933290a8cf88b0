"""What lets in the requests of other nodes: a middleware that checks their signature, and the handshake's route.

A request that another node passes on comes by its usual path, and has the headers of a signed request; `/node/` is for what only nodes ask.
The client's address, scheme and Host are then those that the other node has seen.
"""

import logging
import time
from collections.abc import Iterable

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from web.errors import NotANode
from web.http.metrics import Sample
from web.http.problems import problem
from web.http.relayed import RELAYED, Relayed
from web.http.responses import ready
from web.http.timeouts import body_of
from web.nodes import handshake
from web.nodes.nonces import Nonces
from web.nodes.peers import REFUSED, REQUESTS
from web.nodes.signed_requests import CLAIM, MAC, REASONS, Forged, NodeLife, Question, check, claim_of, key_of

logger = logging.getLogger(__name__)

INSIDE = "/node/"  # what only nodes may ask


class Gate:
    """Knows this node's name, this run's boot id and the nonces; counts what it refuses, by reason."""

    def __init__(self, me: NodeLife, secret: str) -> None:
        self.me = me
        self._secret, self._key = secret, key_of(secret, REQUESTS)
        self._nonces = Nonces()
        self._refused = dict.fromkeys(REASONS, 0)

    def check(self, request: web.Request, body: bytes) -> Relayed:
        """What the other node says of its request. Raises Forged."""
        question = Question(request.method, request.raw_path, body)
        return check(self._key, question, _single(request), self.me, self._nonces, time.monotonic())

    def greeted(self, request: web.Request) -> bytes:
        """The answer to a handshake. Raises Forged."""
        return msgspec.json.encode(handshake.answered(self._secret, self.me, _single(request), time.monotonic()))

    def refusal(self, request: web.Request, forged: Forged) -> web.Response:
        """403, the same document for every reason; the reason is in a header, for the log of a node."""
        if not self._refused[forged.reason]:  # logged once; later ones are in the metrics
            logger.warning("a node's request from %s is refused: %s; later ones are only counted", request.remote, forged.reason)
        self._refused[forged.reason] += 1
        answer = problem(NotANode.status, NotANode.code, NotANode().detail, headers={REFUSED: forged.reason})
        answer.force_close()  # the body may not have been read
        return answer

    def samples(self) -> Iterable[Sample]:
        """For /metrics."""
        for reason, count in self._refused.items():
            what = "Requests that no node has signed for this one, now."
            yield Sample("hushcast_node_requests_refused_total", "counter", what, count, {"reason": reason})


GATE = web.AppKey("GATE", Gate)


@web.middleware
async def let_in(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Take what another node says of its request, where it is signed; refuse what is wrong, and clients that ask what only nodes may."""
    inside = request.path.startswith(INSIDE)
    if not inside and CLAIM not in request.headers and MAC not in request.headers:
        return await handler(request)
    gate = request.app[GATE]
    try:
        if request.path == handshake.PATH:
            return ready(gate.greeted(request))
        said = claim_of(_single(request)).relayed
        seen = _as_seen(request, said)
        seen[RELAYED] = request[RELAYED] = gate.check(seen, await body_of(seen))
    except Forged as forged:
        return gate.refusal(request, forged)
    return await handler(seen)


async def greet(request: web.Request) -> web.Response:
    """The handshake's route; the middleware answers it."""
    raise NotANode


def _as_seen(request: web.Request, said: Relayed) -> web.Request:
    """The request as the other node has had it."""
    headers = request.headers.copy()
    headers[hdrs.HOST] = said.host
    return request.clone(headers=headers, host=said.host, scheme=said.scheme, remote=said.client)


def _single(request: web.Request) -> dict[str, str]:
    """The two headers. Raises Forged where one of them is there twice: proxies differ in which they take."""
    if any(len(request.headers.getall(name, [])) > 1 for name in (CLAIM, MAC)):
        raise Forged("malformed")
    return {name: request.headers[name] for name in (CLAIM, MAC) if name in request.headers}
