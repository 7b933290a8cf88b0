"""ICE-lite (RFC 8445 §2.5): a Binding request in, a Binding response out. No I/O, no clock.

We have public addresses and never probe: the other end is always in control, its candidates are not needed, and its own
Binding requests are its consent (RFC 7675). One `IceLite` a peer; credentials come in generations, a restart makes one.
"""

import secrets
from typing import NamedTuple

from sfu.wire import stun

Address = tuple[str, int] | tuple[str, int, int, int]
MOST_REMEMBERED = 4096  # transactions of one peer: hours of consent
_HEAD_BYTES = 4


class Credentials(NamedTuple):
    """Our half of one generation: ufrag, found in front of the colon of USERNAME, and the password that signs."""

    ufrag: str
    password: str


class Request(NamedTuple):
    """A Binding request that has been parsed but not yet checked. ufrag is ours, remote_ufrag theirs."""

    ufrag: str
    remote_ufrag: str
    message: stun.Binding


class Reply(NamedTuple):
    """What a genuine request earns. accepted: it counts as consent; nominated: send to where it came from, from now on;
    retired: ufrags that lead nowhere any more, since it is the first of a new generation; repeated: it has been here before,
    so it says nothing of where the peer is now: the client may have sent it again, or anybody else."""

    datagram: bytes
    accepted: bool = True
    nominated: bool = False
    retired: tuple[str, ...] = ()
    repeated: bool = False


def parse_request(datagram: bytes) -> Request:
    """Raises ValueError on whatever is not a Binding request with USERNAME and MESSAGE-INTEGRITY, and nothing else."""
    message = stun.parse(datagram)
    ours, colon, theirs = message.username.partition(":")
    if not colon:
        raise ValueError("USERNAME names one end only")
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
    """The last MOST_REMEMBERED that were answered, the first four bytes of each: as one text, which is searched in microseconds."""

    def __init__(self) -> None:
        self._heads = bytearray()
        self._next = 0  # where the oldest stands, once all places are taken

    def known(self, transaction: bytes) -> bool:
        return transaction[:_HEAD_BYTES] in self._heads

    def add(self, transaction: bytes) -> None:
        self._heads[self._next : self._next + _HEAD_BYTES] = transaction[:_HEAD_BYTES]
        self._next = (self._next + _HEAD_BYTES) % (MOST_REMEMBERED * _HEAD_BYTES)


class IceLite:
    """Our end of one peer's ICE: the generation in use, and after a restart the one that waits to be used."""

    def __init__(self, remote_ufrag: str) -> None:
        self.credentials = new_credentials()  # of the newest generation
        self._generations: dict[str, _Generation] = {}  # by our ufrag
        self._repeated: tuple[Address, stun.Repeated] | None = None  # the last one that was answered
        self._answered = _Transactions()
        self._add(remote_ufrag)

    def _add(self, remote_ufrag: str) -> None:
        ufrag, password = self.credentials
        self._generations[ufrag] = _Generation(remote_ufrag, stun.Key(password.encode()))

    def ufrags(self) -> tuple[str, ...]:
        """By which requests may name us: one, or two between a restart and its first request."""
        return tuple(self._generations)

    def is_current(self, remote_ufrag: str) -> bool:
        """Is that the newest generation of the other end?"""
        return self._generations[self.credentials.ufrag].remote_ufrag == remote_ufrag

    def restart(self, remote_ufrag: str) -> tuple[str, ...]:
        """Begin a generation; the one in use serves until the first request of the new one.

        Returns the ufrags that are given up at once: of an earlier restart that nobody has followed.
        """
        _, *unused = self._generations
        for ufrag in unused:
            del self._generations[ufrag]
        self.credentials = new_credentials()
        self._add(remote_ufrag)
        return tuple(unused)

    def answer(self, request: Request, source: Address) -> Reply | None:
        """None: forged, or of no generation of ours; to be dropped without a word, so that nobody is reflected at."""
        generation = self._generations.get(request.ufrag)
        if generation is None or request.remote_ufrag != generation.remote_ufrag:
            return None
        key, message = generation.key, request.message
        if not stun.is_genuine(message, key):
            return None
        if message.unknown:
            return Reply(stun.build_error(message, stun.UNKNOWN_ATTRIBUTE, key, message.unknown), accepted=False)
        if message.controlled:  # a lite end never takes control: the other has to
            return Reply(stun.build_error(message, stun.ROLE_CONFLICT, key), accepted=False)
        host, port = source[0].partition("%")[0], source[1]
        repeated = self._answered.known(message.transaction)
        if not repeated:
            self._answered.add(message.transaction)
        self._repeated = source, stun.Repeated(message, host, port, key)
        datagram = stun.build_response(message, host, port, key)
        return Reply(datagram, True, message.use_candidate, self._retire(request.ufrag), repeated)

    def again(self, datagram: bytes, source: Address) -> bytes | None:
        """The answer to a request that differs from the last one only by its transaction; None: it has to be read."""
        if self._repeated is None or self._repeated[0] != source:
            return None
        answer = self._repeated[1].answer(datagram)
        if answer is not None:
            self._answered.add(datagram[stun.TRANSACTION])
        return answer

    def _retire(self, used: str) -> tuple[str, ...]:
        if used != self.credentials.ufrag or len(self._generations) == 1:
            return ()
        retired = tuple(ufrag for ufrag in self._generations if ufrag != used)
        self._generations = {used: self._generations[used]}
        return retired
