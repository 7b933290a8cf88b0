"""ICE-lite (RFC 8445 §2.5): a Binding request in, a Binding response out. No I/O, no clock.

We have public addresses and never probe: the other end is always in control, its candidates are not needed, and its own
Binding requests are its consent (RFC 7675). One `IceLite` a peer; credentials come in generations, a restart makes one.
"""

import secrets
from struct import error as StructError
from typing import NamedTuple

from aioice import stun

Address = tuple[str, int] | tuple[str, int, int, int]


class Credentials(NamedTuple):
    """Our half of one generation: ufrag, found in front of the colon of USERNAME, and the password that signs."""

    ufrag: str
    password: str


class Request(NamedTuple):
    """A Binding request that has been parsed but not yet checked. ufrag is ours, remote_ufrag theirs."""

    ufrag: str
    remote_ufrag: str
    message: stun.Message


class Reply(NamedTuple):
    """What a genuine request earns. accepted: it counts as consent; nominated: send to where it came from, from now on;
    renewed: it is the first of a new generation, the ufrags in `retired` lead nowhere any more."""

    datagram: bytes
    accepted: bool = True
    nominated: bool = False
    retired: tuple[str, ...] = ()


def parse_request(datagram: bytes) -> Request:
    """Raises ValueError on whatever is not a Binding request with USERNAME and MESSAGE-INTEGRITY, and nothing else."""
    try:
        message = stun.parse_message(datagram)
    except StructError as wrong:
        raise ValueError("STUN attribute is cut short") from wrong
    if message.message_method != stun.Method.BINDING or message.message_class != stun.Class.REQUEST:
        raise ValueError("not a Binding request")
    ours, colon, theirs = message.attributes.get("USERNAME", "").partition(":")
    if not colon or "MESSAGE-INTEGRITY" not in message.attributes:
        raise ValueError("Binding request without credentials")
    return Request(ours, theirs, message)


def new_credentials() -> Credentials:
    """48 and 144 random bits in characters that RFC 8839 allows."""
    return Credentials(_ice_characters(6), _ice_characters(18))


def _ice_characters(count: int) -> str:
    return secrets.token_urlsafe(count).replace("-", "+").replace("_", "/")


class IceLite:
    """Our end of one peer's ICE: the generation in use, and after a restart the one that waits to be used."""

    def __init__(self, remote_ufrag: str) -> None:
        self.credentials = new_credentials()  # of the newest generation
        self._generations = {self.credentials.ufrag: (self.credentials, remote_ufrag)}

    def ufrags(self) -> tuple[str, ...]:
        """By which requests may name us: one, or two between a restart and its first request."""
        return tuple(self._generations)

    def is_current(self, remote_ufrag: str) -> bool:
        """Is that the newest generation of the other end?"""
        return self._generations[self.credentials.ufrag][1] == remote_ufrag

    def restart(self, remote_ufrag: str) -> tuple[str, ...]:
        """Begin a generation; the one in use serves until the first request of the new one.

        Returns the ufrags that are given up at once: of an earlier restart that nobody has followed.
        """
        _, *unused = self._generations
        for ufrag in unused:
            del self._generations[ufrag]
        self.credentials = new_credentials()
        self._generations[self.credentials.ufrag] = (self.credentials, remote_ufrag)
        return tuple(unused)

    def answer(self, request: Request, source: Address) -> Reply | None:
        """None: forged, or of no generation of ours; to be dropped without a word, so that nobody is reflected at."""
        credentials, remote_ufrag = self._generations.get(request.ufrag, (None, ""))
        if credentials is None or request.remote_ufrag != remote_ufrag:
            return None
        key = credentials.password.encode()
        if not request.message.check_message_integrity(key):
            return None
        attributes = request.message.attributes
        if "ICE-CONTROLLED" in attributes:  # a lite end never takes control: the other has to
            return Reply(_reply(request, stun.Class.ERROR, "ERROR-CODE", (487, "Role Conflict"), key), accepted=False)
        mapped = (source[0].partition("%")[0], source[1])
        datagram = _reply(request, stun.Class.RESPONSE, "XOR-MAPPED-ADDRESS", mapped, key)
        return Reply(datagram, True, "USE-CANDIDATE" in attributes, self._retire(request.ufrag))

    def _retire(self, used: str) -> tuple[str, ...]:
        if used != self.credentials.ufrag or len(self._generations) == 1:
            return ()
        retired = tuple(ufrag for ufrag in self._generations if ufrag != used)
        self._generations = {used: self._generations[used]}
        return retired


def _reply(request: Request, kind: stun.Class, name: str, value: object, key: bytes) -> bytes:
    message = stun.Message(stun.Method.BINDING, kind, request.message.transaction_id, {name: value})
    message.add_message_integrity(key)
    return bytes(message)
