"""SRTP of one peer (RFC 3711), by libsrtp. The only file that knows what pylibsrtp keeps to itself.

Packets are encrypted and checked in the datagram callback, without a queue or a task a packet. Importing this raises ConfigError
when the installed pylibsrtp lacks a private name that is used here, so that another version ends the start with one line.
"""

from collections.abc import Callable

from pylibsrtp import Session
from pylibsrtp._binding import ffi, lib

from sfu.errors import ConfigError

LARGEST_PACKET = 2048
TRAILER = 148  # SRTP_MAX_SRTCP_TRAILER_LEN, the longest of libsrtp's
MOST_SOURCES = 64  # SSRCs of one peer: one at a time, and a new one after each change of its microphone
SHORTEST_PACKET = 12  # anything shorter is neither RTP nor SRTCP

_OK, _REPLAYED, _TOO_OLD = 0, 9, 10  # srtp_err_status_t


class Srtp:
    """The two libsrtp sessions of one association. `tx` is a raw pointer: it dies with `close`, and whoever kept a copy
    has to have dropped it by then. Counters: `forged` packets failed their check, `replayed` ones had been here before, `strange`
    ones are of one SSRC too many: libsrtp keeps a stream for each that was ever authentic, and looks through all of them."""

    __slots__ = ("_buffer", "_length", "_room", "_rx", "_sessions", "_sources", "forged", "replayed", "strange", "tx")

    def __init__(self, received: Session, sent: Session) -> None:
        self._sessions: tuple[Session, ...] = (received, sent)
        self._rx = received._srtp[0]
        self.tx: object = sent._srtp[0]
        self._buffer = ffi.new("unsigned char[]", LARGEST_PACKET + TRAILER)
        self._room = ffi.buffer(self._buffer)
        self._length = ffi.new("int *")
        self._sources: set[bytes] = set()  # SSRCs that were authentic
        self.forged = self.replayed = self.strange = 0

    def unprotect(self, packet: bytes) -> bytes | None:
        """The RTP packet, or None: forged, replayed, too old or strange, and counted. packet: 12 to 2048 bytes."""
        return self._opened(lib.srtp_unprotect, packet, packet[8:12])

    def unprotect_rtcp(self, packet: bytes) -> bytes | None:
        """As `unprotect`, for SRTCP."""
        return self._opened(lib.srtp_unprotect_rtcp, packet, packet[4:8])

    def _opened(self, open_it: Callable[[object, object, object], int], packet: bytes, source: bytes) -> bytes | None:
        known = source in self._sources
        if not known and len(self._sources) >= MOST_SOURCES:
            self.strange += 1
            return None
        length = len(packet)
        self._room[0:length] = packet
        self._length[0] = length
        status = open_it(self._rx, self._buffer, self._length)
        if status == _OK:
            if not known:
                self._sources.add(source)
            return self._room[0 : self._length[0]]  # type: ignore[no-any-return]
        if status in (_REPLAYED, _TOO_OLD):
            self.replayed += 1
        else:
            self.forged += 1
        return None

    def protect(self, packet: bytes) -> bytes | None:
        """The SRTP packet for an RTP one of 12 to 2048 bytes, or None where that or libsrtp refuses it."""
        return self._closed(lib.srtp_protect, packet)

    def protect_rtcp(self, packet: bytes) -> bytes | None:
        """As `protect`, for RTCP; a compound packet is never shorter than 12 bytes."""
        return self._closed(lib.srtp_protect_rtcp, packet)

    def _closed(self, close_it: Callable[[object, object, object], int], packet: bytes) -> bytes | None:
        length = len(packet)
        if not SHORTEST_PACKET <= length <= LARGEST_PACKET:
            return None
        self._room[0:length] = packet
        self._length[0] = length
        if close_it(self.tx, self._buffer, self._length) != _OK:
            return None
        return self._room[0 : self._length[0]]  # type: ignore[no-any-return]

    def close(self) -> None:
        """Let the sessions go; nothing may use `tx` any more."""
        self.tx = self._rx = ffi.NULL
        self._sessions = ()


def _check_version() -> None:
    """Say which private name is gone, rather than fail in the middle of somebody's handshake."""
    needed: list[tuple[object, tuple[str, ...]]] = [
        (Session(), ("_srtp",)),
        (lib, ("srtp_protect", "srtp_protect_rtcp", "srtp_unprotect", "srtp_unprotect_rtcp")),
        (ffi, ("cast", "new", "buffer", "NULL")),
    ]
    for owner, names in needed:
        for name in names:
            if not hasattr(owner, name):
                raise ConfigError(f"this pylibsrtp has no {name}: install the versions of setup.cfg")


_check_version()
protect: Callable[[object, object, object], int] = lib.srtp_protect
"""protect(srtp_t, buffer, int *length) -> 0 when well: encrypts one RTP packet in place, room for TRAILER bytes after it."""
pointer: Callable[[str, int], object] = ffi.cast
"""pointer("int *", address): what `protect` takes for memory that is another's, and stays there."""
