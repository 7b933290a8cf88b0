"""Signs the requests between nodes, and checks them. Without a clock: the time is an argument, the receiver's own monotonic one.

A request has two headers: the claim (base64url of JSON), and the HMAC-SHA256 over method, path with query, digest of the body, and claim.
The claim has what the sender has checked of the client's request, both nodes' names, the receiver's boot id, a stamp in the receiver's
monotonic time, and a nonce. Both are learnt by `web.nodes.handshake`, so no clocks of two hosts are compared.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Annotated, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from web.http.relayed import Relayed
from web.nodes.nonces import Nonces
from web.nodes.records import NodeName

CLAIM, MAC = "Hushcast-Node", "Hushcast-Node-Mac"
LASTS_S = 10.0  # after its stamp a request is refused; nonces are kept for so long
AHEAD_S = 1.0  # how far a stamp may lie before the receiver's time, for clocks that drift
LONGEST_CLAIM = 8 * 1024  # in bytes; longer than any that is made here
REASONS = ("unsigned", "malformed", "signature", "receiver", "sender", "boot", "stale", "replayed", "crowded")

Nonce = Annotated[str, Meta(min_length=16, max_length=64)]
C = TypeVar("C", bound=msgspec.Struct)


class Forged(Exception):
    """A request that no node has signed for this one, now. reason: of REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """The claim. at_s: the receiver's monotonic time, as the sender knows it from the handshake."""

    to: NodeName
    boot: Annotated[str, Meta(min_length=1, max_length=64)]
    at_s: float
    nonce: Nonce
    relayed: Relayed


class Question(NamedTuple):
    """What is signed of a request. target: path and query as they are sent."""

    method: str
    target: str
    body: bytes = b""


class NodeLife(NamedTuple):
    """A node, and which of its lives: the boot id is new at each start."""

    name: str
    boot: str


def key_of(secret: str, purpose: str) -> bytes:
    """A key for one purpose, from `node.secret`."""
    return hmac.digest(secret.encode(), f"hushcast nodes, {purpose}".encode(), hashlib.sha256)


def signed(key: bytes, question: Question, sealed: Sealed) -> dict[str, str]:
    """The two headers of a request."""
    claim = written(sealed)
    return {CLAIM: claim, MAC: _mac(key, question, claim)}


def claim_of(headers: Mapping[str, str]) -> Sealed:
    """The claim of a request, not yet checked. Raises Forged."""
    claim = headers.get(CLAIM)
    if claim is None or MAC not in headers:
        raise Forged("unsigned")
    return read(claim, Sealed)


def check(key: bytes, question: Question, headers: Mapping[str, str], me: NodeLife, nonces: Nonces, now_s: float) -> Relayed:
    """What the sender says of a request that it has signed for this node, now and not before. Raises Forged.

    The signature is compared first: whoever has not the secret learns nothing of the rest, and fills no nonces.
    """
    sealed = claim_of(headers)
    if not hmac.compare_digest(_mac(key, question, headers[CLAIM]).encode(), headers[MAC].encode("utf-8", "replace")):
        raise Forged("signature")
    if sealed.to != me.name:
        raise Forged("receiver")
    if sealed.relayed.node == me.name:  # another node that has, or takes, this one's name
        raise Forged("sender")
    if sealed.boot != me.boot:
        raise Forged("boot")
    if not now_s - LASTS_S <= sealed.at_s <= now_s + AHEAD_S:  # not a number fails too
        raise Forged("stale")
    nonces.drop(now_s)
    if nonces.is_full:
        raise Forged("crowded")
    if not nonces.take(sealed.nonce, sealed.at_s + LASTS_S):
        raise Forged("replayed")
    return sealed.relayed


def written(claim: msgspec.Struct) -> str:
    """A claim as the value of a header."""
    return base64.urlsafe_b64encode(msgspec.json.encode(claim)).decode()


def read(text: str, kind: type[C]) -> C:
    """The claim in a header's value. Raises Forged."""
    if len(text) > LONGEST_CLAIM:
        raise Forged("malformed")
    try:
        return msgspec.json.decode(base64.b64decode(text, altchars=b"-_", validate=True), type=kind)
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError):
        raise Forged("malformed") from None


def _mac(key: bytes, question: Question, claim: str) -> str:
    """No part has a line feed: HTTP lets none into a method, a target or a header."""
    parts = ("hushcast request 1", question.method, question.target, hashlib.sha256(question.body).hexdigest(), claim)
    return hmac.digest(key, "\n".join(parts).encode("utf-8", "surrogateescape"), hashlib.sha256).hex()
