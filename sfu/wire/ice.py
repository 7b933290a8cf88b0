"""ICE-lite (RFC 8445 §2.5): answers Binding requests. No I/O, no clock.

A lite end never sends checks: the other end is always controlling, its candidates are not needed, and its Binding requests are its
consent (RFC 7675). Each peer has one `IceLite`. An ICE restart begins a new generation of credentials.
"""

import secrets
from typing import NamedTuple

from sfu.wire import stun

Address = tuple[str, int] | tuple[str, int, int, int]
MAX_TRANSACTIONS = 4096  # remembered of one peer: hours of consent checks
_HEAD_BYTES = 4


class Credentials(NamedTuple):
    """Ours, of one generation: the ufrag, which is before the colon of USERNAME, and the password that signs."""

    ufrag: str
    password: str


class Request(NamedTuple):
    """A Binding request that is parsed but not yet authenticated. ufrag is ours, remote_ufrag theirs."""

    ufrag: str
    remote_ufrag: str
    message: stun.Binding


class Reply(NamedTuple):
    """The response to a genuine request, and what the request means.

    accepted: it counts as consent. nominated: it has USE-CANDIDATE, so the peer is to be sent to where it came from. retired: ufrags
    that are no longer valid, because it is the first of a new generation. repeated: its transaction was answered before; anybody may
    have sent it again, so it does not tell where the peer is.
    """

    datagram: bytes
    accepted: bool = True
    nominated: bool = False
    retired: tuple[str, ...] = ()
    repeated: bool = False


def parse_request(datagram: bytes) -> Request:
    """Raises ValueError on anything but a Binding request with USERNAME and MESSAGE-INTEGRITY, and nothing else."""
    message = stun.parse(datagram)
    ours, colon, theirs = message.username.partition(":")
    if not colon:
        raise ValueError("USERNAME has no colon")
    return Request(ours, theirs, message)


def new_credentials() -> Credentials:
    """48 and 144 random bits in characters that RFC 8839 allows."""
    return Credentials(_ice_characters(6), _ice_characters(18))


def _ice_characters(count: int) -> str:
    return secrets.token_urlsafe(count).replace("-", "+").replace("_", "/")


class _Generation(NamedTuple):
    remote_ufrag: str
    key: stun.Key


class _Transactions:
    """The last MAX_TRANSACTIONS that were answered: the first four bytes of each in one bytearray, which is searched in microseconds."""

    def __init__(self) -> None:
        self._heads = bytearray()
        self._next = 0  # where the next one is written, over the oldest once it is full

    def has(self, transaction: bytes) -> bool:
        return transaction[:_HEAD_BYTES] in self._heads

    def add(self, transaction: bytes) -> None:
        self._heads[self._next : self._next + _HEAD_BYTES] = transaction[:_HEAD_BYTES]
        self._next = (self._next + _HEAD_BYTES) % (MAX_TRANSACTIONS * _HEAD_BYTES)


class IceLite:
    """Our end of one peer's ICE: the generation in use and, between a restart and its first request, the new one."""

    def __init__(self, remote_ufrag: str) -> None:
        self.credentials = new_credentials()  # of the newest generation
        self._generations: dict[str, _Generation] = {}  # by our ufrag
        self._last_answered: tuple[Address, stun.AnsweredRequest] | None = None  # the last success, and its source
        self._answered = _Transactions()
        self._add(remote_ufrag)

    def _add(self, remote_ufrag: str) -> None:
        ufrag, password = self.credentials
        self._generations[ufrag] = _Generation(remote_ufrag, stun.Key(password.encode()))

    def ufrags(self) -> tuple[str, ...]:
        """Our valid ones: one, or two between a restart and its first request."""
        return tuple(self._generations)

    def is_current(self, remote_ufrag: str) -> bool:
        """Whether that ufrag is of the other end's newest generation."""
        return self._generations[self.credentials.ufrag].remote_ufrag == remote_ufrag

    def restart(self, remote_ufrag: str) -> tuple[str, ...]:
        """Begin a generation; the one in use stays valid until the first request of the new one.

        Returns the ufrags that become invalid at once: those of an earlier restart that the client has not followed.
        """
        _, *unused = self._generations
        for ufrag in unused:
            del self._generations[ufrag]
        self.credentials = new_credentials()
        self._add(remote_ufrag)
        return tuple(unused)

    def answer(self, request: Request, source: Address) -> Reply | None:
        """None for a request that is forged or of no valid generation: it gets no answer, so that we reflect nothing at a third party."""
        generation = self._generations.get(request.ufrag)
        if generation is None or request.remote_ufrag != generation.remote_ufrag:
            return None
        key, message = generation.key, request.message
        if not stun.is_genuine(message, key):
            return None
        if message.unknown:
            return Reply(stun.build_error(message, stun.UNKNOWN_ATTRIBUTE, key, message.unknown), accepted=False)
        if message.controlled:  # a lite end never controls
            return Reply(stun.build_error(message, stun.ROLE_CONFLICT, key), accepted=False)
        host, port = source[0].partition("%")[0], source[1]
        repeated = self._answered.has(message.transaction)
        if not repeated:
            self._answered.add(message.transaction)
        self._last_answered = source, stun.AnsweredRequest(message, host, port, key)
        datagram = stun.build_response(message, host, port, key)
        return Reply(datagram, True, message.use_candidate, self._retire(request.ufrag), repeated)

    def answer_repeated(self, datagram: bytes, source: Address) -> bytes | None:
        """The response to a request that differs from the last one by its transaction only; None: call `answer`."""
        if self._last_answered is None or self._last_answered[0] != source:
            return None
        answer = self._last_answered[1].answer(datagram)
        if answer is not None:
            self._answered.add(datagram[stun.TRANSACTION])
        return answer

    def _retire(self, used: str) -> tuple[str, ...]:
        if used != self.credentials.ufrag or len(self._generations) == 1:
            return ()
        retired = tuple(ufrag for ufrag in self._generations if ufrag != used)
        self._generations = {used: self._generations[used]}
        return retired
