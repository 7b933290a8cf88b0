"""How a node learns another one's boot id and the reading of its monotonic clock, by which it then stamps its requests.

Both prove that they know `node.secret`: the asker signs its name, the other's name and a nonce; the answer is signed with that nonce in it,
so it cannot be an older one. A server that answers under another name than the directory says is refused.
"""

import hashlib
import hmac
import math
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from web.nodes.records import NodeName
from web.nodes.signed_requests import CLAIM, MAC, Forged, NodeLife, Nonce, key_of, read, written

PATH = "/node/handshake"
PURPOSE = "handshake"


class HandshakeAsked(msgspec.Struct, frozen=True, kw_only=True):
    """node: who asks; to: whom it takes the receiver for."""

    node: NodeName
    to: NodeName
    nonce: Nonce


class HandshakeGiven(msgspec.Struct, frozen=True, kw_only=True):
    """now_s: the receiver's monotonic time; nonce: the asker's."""

    name: NodeName
    boot: Annotated[str, Meta(min_length=1, max_length=64)]
    now_s: float
    nonce: Nonce


class Sealing(msgspec.Struct, frozen=True, kw_only=True):
    """The body of the answer: a HandshakeGiven as the value of a header would have it, and its signature."""

    claim: str
    mac: str


class Acquaintance(msgspec.Struct, frozen=True):
    """What a handshake has brought. ahead_s: the other's monotonic time less our own; at most the time of the handshake too little."""

    boot: str
    ahead_s: float


def asking(secret: str, me: str, other: str, nonce: str) -> dict[str, str]:
    """The headers of a handshake's request."""
    claim = written(HandshakeAsked(node=me, to=other, nonce=nonce))
    return {CLAIM: claim, MAC: _mac(secret, "asked", claim)}


def answered(secret: str, me: NodeLife, headers: Mapping[str, str], now_s: float) -> Sealing:
    """The answer to a handshake's request. Raises Forged."""
    if CLAIM not in headers or MAC not in headers:
        raise Forged("unsigned")
    asked = read(headers[CLAIM], HandshakeAsked)
    if not _same(headers[MAC], _mac(secret, "asked", headers[CLAIM])):
        raise Forged("signature")
    if asked.to != me.name:
        raise Forged("receiver")
    if asked.node == me.name:
        raise Forged("sender")
    claim = written(HandshakeGiven(name=me.name, boot=me.boot, now_s=now_s, nonce=asked.nonce))
    return Sealing(claim=claim, mac=_mac(secret, "given", claim))


def learnt(secret: str, other: str, nonce: str, body: bytes, now_s: float) -> Acquaintance:
    """What the other node has answered. now_s: our own monotonic time after the answer has come. Raises Forged."""
    try:
        sealing = msgspec.json.decode(body, type=Sealing)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Forged("malformed") from None
    if not _same(sealing.mac, _mac(secret, "given", sealing.claim)):
        raise Forged("signature")
    given = read(sealing.claim, HandshakeGiven)
    if given.nonce != nonce:
        raise Forged("replayed")
    if given.name != other:
        raise Forged("sender")
    if not math.isfinite(given.now_s):
        raise Forged("malformed")
    return Acquaintance(given.boot, given.now_s - now_s)


def _mac(secret: str, step: str, claim: str) -> str:
    return hmac.digest(key_of(secret, PURPOSE), f"{step}\n{claim}".encode("utf-8", "surrogateescape"), hashlib.sha256).hex()


def _same(said: str, right: str) -> bool:
    return hmac.compare_digest(said.encode("utf-8", "replace"), right.encode())
