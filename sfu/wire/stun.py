"""STUN as an ICE-lite end needs it (RFC 8489, 8445): parses and checks Binding requests, builds signed responses.

Pure functions on bytes. Written for speed instead of using a library: every peer sends some two requests in five seconds.
"""

import socket
from binascii import crc32
from collections.abc import Iterable
from hmac import compare_digest
from struct import Struct
from typing import NamedTuple

try:  # the interpreter's own SHA-1: looking up OpenSSL's, which is no faster, takes ten times as long as the hash with cold caches
    from _sha1 import sha1  # type: ignore[import-not-found]
except ImportError:
    from hashlib import sha1

HEADER_LENGTH = 20
TRANSACTION = slice(8, HEADER_LENGTH)
MAGIC_COOKIE = 0x2112A442
BINDING_REQUEST, BINDING_RESPONSE, BINDING_ERROR = 0x0001, 0x0101, 0x0111
ROLE_CONFLICT = 487, b"Role Conflict"
UNKNOWN_ATTRIBUTE = 420, b"Unknown Attribute"

_USERNAME, _INTEGRITY, _ERROR_CODE, _UNKNOWN_ATTRIBUTES, _MAPPED = 0x0006, 0x0008, 0x0009, 0x000A, 0x0020
_PRIORITY, _USE_CANDIDATE, _FINGERPRINT, _CONTROLLED, _CONTROLLING = 0x0024, 0x0025, 0x8028, 0x8029, 0x802A
_LENGTHS = {_INTEGRITY: 20, _PRIORITY: 4, _USE_CANDIDATE: 0, _FINGERPRINT: 4, _CONTROLLED: 8, _CONTROLLING: 8}
_OPTIONAL = 0x8000  # types from here on need not be understood (RFC 8489 §14)
# Comprehension-required types that are known; MAPPED-ADDRESS, REALM and NONCE mean nothing in a request and are ignored.
_KNOWN = frozenset({0x0001, _USERNAME, _INTEGRITY, _ERROR_CODE, _UNKNOWN_ATTRIBUTES, 0x0014, 0x0015, _MAPPED, _PRIORITY, _USE_CANDIDATE})
_FINGERPRINT_XOR = 0x5354554E
_SIGNATURE_BYTES, _FINGERPRINT_BYTES = 24, 8  # of whole attributes

_HEADER = Struct("!HHL12s")
_ATTRIBUTE = Struct("!HH")
_LENGTH = Struct("!H")
_WORD = Struct("!L")
_FINGERPRINTED = Struct("!HHL")


class Binding(NamedTuple):
    """A well-formed Binding request, not yet authenticated. unknown: comprehension-required attributes that we do not know."""

    datagram: bytes
    transaction: bytes
    username: str
    signed: int  # offset of MESSAGE-INTEGRITY, which covers everything before it
    use_candidate: bool
    controlled: bool
    unknown: tuple[int, ...]


def parse(datagram: bytes) -> Binding:
    """Raises ValueError on anything but a Binding request with USERNAME and MESSAGE-INTEGRITY, and nothing else.

    Attributes after MESSAGE-INTEGRITY are not authenticated and skipped, but for FINGERPRINT, which has to be correct and last.
    """
    end = len(datagram)
    if end < HEADER_LENGTH:
        raise ValueError("STUN header is cut short")
    kind, length, cookie, transaction = _HEADER.unpack_from(datagram)
    if kind != BINDING_REQUEST or cookie != MAGIC_COOKIE:
        raise ValueError("not a Binding request")
    if length != end - HEADER_LENGTH or length & 3:
        raise ValueError("STUN length is wrong")
    username, signed, use_candidate, controlled = None, 0, False, False
    unknown: tuple[int, ...] = ()
    at = HEADER_LENGTH
    while at < end:
        kind, length = _ATTRIBUTE.unpack_from(datagram, at)
        after = at + 4 + (length + 3 & ~3)
        if after > end or _LENGTHS.get(kind, length) != length:
            raise ValueError("STUN attribute is of a wrong length")
        if kind == _FINGERPRINT:
            _check_fingerprint(datagram, at)
        elif signed:
            pass
        elif kind == _USERNAME:
            username = username if username is not None else datagram[at + 4 : at + 4 + length].decode()
        elif kind == _INTEGRITY:
            signed = at
        elif kind == _USE_CANDIDATE:
            use_candidate = True
        elif kind == _CONTROLLED:
            controlled = True
        elif kind < _OPTIONAL and kind not in _KNOWN:
            unknown += (kind,)
        at = after
    if username is None or not signed:
        raise ValueError("Binding request without credentials")
    return Binding(datagram, transaction, username, signed, use_candidate, controlled, unknown)


def _check_fingerprint(datagram: bytes, at: int) -> None:
    if at + _FINGERPRINT_BYTES != len(datagram):
        raise ValueError("STUN fingerprint is not the last attribute")
    if _WORD.unpack_from(datagram, at + 4)[0] != crc32(datagram[:at]) ^ _FINGERPRINT_XOR:
        raise ValueError("STUN fingerprint does not match")


class Key:
    """HMAC-SHA1 (RFC 2104) with one password; the two blocks that depend on the password alone are hashed once."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, password: bytes) -> None:
        """password: at most 64 bytes."""
        block = password.ljust(64, b"\0")
        self._inner, self._outer = (sha1(bytes(byte ^ pad for byte in block)) for pad in (0x36, 0x5C))

    def sign(self, covered: bytes) -> bytes:
        """The 20 bytes of MESSAGE-INTEGRITY."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(covered)
        outer.update(inner.digest())
        signature: bytes = outer.digest()
        return signature


def is_genuine(request: Binding, key: Key) -> bool:
    """Whether it was signed with that key. The signed header has the length up to the end of MESSAGE-INTEGRITY (RFC 8489 §14.5)."""
    datagram, at = request.datagram, request.signed
    covered = datagram[:2] + _LENGTH.pack(at + _SIGNATURE_BYTES - HEADER_LENGTH) + datagram[4:at]
    return compare_digest(key.sign(covered), datagram[at + 4 : at + _SIGNATURE_BYTES])


def build_response(request: Binding, host: str, port: int, key: Key) -> bytes:
    """A success response with the numeric address that the request came from."""
    return _signed(BINDING_RESPONSE, request.transaction, _mapped(request.transaction, host, port), key)


def _mapped(transaction: bytes, host: str, port: int) -> bytes:
    family, protocol = (2, socket.AF_INET6) if ":" in host else (1, socket.AF_INET)
    packed = socket.inet_pton(protocol, host)
    mask = (_WORD.pack(MAGIC_COOKIE) + transaction)[: len(packed)]
    masked = (int.from_bytes(packed) ^ int.from_bytes(mask)).to_bytes(len(packed))
    return _attribute(_MAPPED, _ATTRIBUTE.pack(family, port ^ MAGIC_COOKIE >> 16) + masked)


def build_error(request: Binding, error: tuple[int, bytes], key: Key, unknown: Iterable[int] = ()) -> bytes:
    """An error response such as ROLE_CONFLICT; unknown: attribute types to list, for UNKNOWN_ATTRIBUTE."""
    code, reason = error
    body = _attribute(_ERROR_CODE, bytes((0, 0, *divmod(code, 100))) + reason)
    listed = b"".join(map(_LENGTH.pack, unknown))
    return _signed(BINDING_ERROR, request.transaction, body + _attribute(_UNKNOWN_ATTRIBUTES, listed) if listed else body, key)


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _signed(kind: int, transaction: bytes, body: bytes, key: Key) -> bytes:
    """A whole message with MESSAGE-INTEGRITY and FINGERPRINT, each computed with a header length that ends with itself."""
    length = len(body) + _SIGNATURE_BYTES
    body += _ATTRIBUTE.pack(_INTEGRITY, 20) + key.sign(_HEADER.pack(kind, length, MAGIC_COOKIE, transaction) + body)
    plain = _HEADER.pack(kind, length + _FINGERPRINT_BYTES, MAGIC_COOKIE, transaction) + body
    return plain + _FINGERPRINTED.pack(_FINGERPRINT, 4, crc32(plain) ^ _FINGERPRINT_XOR)


class AnsweredRequest:
    """A genuine request that was answered with success, kept so that the next one like it need not be parsed.

    A client's consent checks (RFC 7675) are the same bytes each time, but for the transaction, MESSAGE-INTEGRITY and FINGERPRINT:
    these are checked, the rest is compared.
    """

    __slots__ = ("_at", "_covered", "_fingerprint", "_head", "_host", "_key", "_length", "_middle", "_port")

    def __init__(self, request: Binding, host: str, port: int, key: Key) -> None:
        datagram, at = request.datagram, request.signed
        self._host, self._port, self._key = host, port, key
        self._at, self._length = at, len(datagram)
        self._head, self._middle = datagram[:8], datagram[HEADER_LENGTH : at + 4]
        self._covered = datagram[:2] + _LENGTH.pack(at + _SIGNATURE_BYTES - HEADER_LENGTH) + datagram[4:8]
        self._fingerprint = at + _SIGNATURE_BYTES
        if datagram[self._fingerprint :][:4] != _ATTRIBUTE.pack(_FINGERPRINT, 4):
            self._length = -1  # matches no datagram: requests without FINGERPRINT, or with more than it, are always parsed

    def answer(self, datagram: bytes) -> bytes | None:
        """The response to a request that is alike and genuine; None: it has to be parsed."""
        at, mark = self._at, self._fingerprint
        if len(datagram) != self._length or datagram[HEADER_LENGTH : at + 4] != self._middle or datagram[:8] != self._head:
            return None
        if datagram[mark:] != _FINGERPRINTED.pack(_FINGERPRINT, 4, crc32(datagram[:mark]) ^ _FINGERPRINT_XOR):
            return None
        if not compare_digest(self._key.sign(self._covered + datagram[8:at]), datagram[at + 4 : mark]):
            return None
        transaction = datagram[8:HEADER_LENGTH]
        return _signed(BINDING_RESPONSE, transaction, _mapped(transaction, self._host, self._port), self._key)
