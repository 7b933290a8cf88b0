"""What a TLS client asks for, read from its first message before the handshake: the name (RFC 6066) and the protocols (RFC 7301)."""

from dataclasses import dataclass

LONGEST = 16 * 1024  # of a message that is looked at, its record headers included
MOST_RECORDS = 8  # that the message may be in; clients send it in one, rarely in two
HANDSHAKE, CLIENT_HELLO = 22, 1
SERVER_NAME, ALPN = 0, 16  # extensions


@dataclass(frozen=True)
class ClientHello:
    """name: the host that is asked for, in lower case; "" where the client names none. protocols: by ALPN, best first."""

    name: str = ""
    protocols: tuple[bytes, ...] = ()


class _Reader:
    """Reads from the front. Raises ValueError where there is too little."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def take(self, length: int) -> bytes:
        self._at += length
        if self._at > len(self._content):
            raise ValueError("it ends too early")
        return self._content[self._at - length : self._at]

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length))

    def part(self, length_of_length: int) -> "_Reader":
        """What stands behind its length."""
        return _Reader(self.take(self.number(length_of_length)))

    def rest(self) -> bytes:
        return self.take(len(self._content) - self._at)

    def __bool__(self) -> bool:
        return self._at < len(self._content)


def hello_in(start: bytes) -> ClientHello | None:
    """The ClientHello that a connection starts with; None where more bytes are needed. Raises ValueError where it is none, longer
    than LONGEST, or in more than MOST_RECORDS records.
    """
    message = _joined(start)
    if message[:1] not in (b"", bytes([CLIENT_HELLO])):
        raise ValueError("another message than a ClientHello")
    length = _length_of(message)
    if length > LONGEST or (len(message) < length and len(start) >= LONGEST):
        raise ValueError("it is too long")
    return None if len(message) < length else _read(_Reader(message[4:length]))


def _length_of(message: bytes) -> int:
    """Of the whole message, as far as its beginning tells."""
    return 4 + (int.from_bytes(message[1:4]) if len(message) >= 4 else 0)


def _joined(start: bytes) -> bytes:
    """What the handshake records at the start hold, up to the end of the first message; the last one perhaps in part."""
    message, at, records = b"", 0, 0
    while at < len(start) and not len(message) >= _length_of(message):
        records += 1
        if records > MOST_RECORDS:
            raise ValueError("it is in too many records")
        if start[at] != HANDSHAKE:
            raise ValueError("no handshake record")
        length = int.from_bytes(start[at + 3 : at + 5])
        if len(start) >= at + 5 and not 0 < length <= 1 << 14:
            raise ValueError("a record of a wrong length")
        message += start[at + 5 : at + 5 + length]
        at += 5 + length
    return message


def _read(reader: _Reader) -> ClientHello:
    reader.take(2 + 32)  # version, random
    for length_of_length in (1, 2, 1):  # session, cipher suites, compression
        reader.part(length_of_length)
    name, protocols = "", list[bytes]()
    extensions = reader.part(2) if reader else _Reader(b"")
    while extensions:
        kind, content = extensions.number(2), extensions.part(2)
        if kind == SERVER_NAME:
            name = _host_in(content)
        elif kind == ALPN:
            protocols = _listed(content.part(2))
    return ClientHello(name, tuple(protocols))


def _host_in(content: _Reader) -> str:
    names = content.part(2) if content else _Reader(b"")
    while names:
        kind, name = names.number(1), names.part(2).rest()
        if kind == 0:
            return name.decode("ascii").lower()  # UnicodeDecodeError is a ValueError
    return ""


def _listed(protocols: _Reader) -> list[bytes]:
    found = []
    while protocols:
        found.append(protocols.part(1).rest())
    return found
