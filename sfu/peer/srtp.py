"""SRTP of one peer (RFC 3711), by libsrtp. The only module that uses private names of pylibsrtp.

Packets are encrypted and authenticated in the datagram callback, without a queue or a task for each. Importing this raises
ConfigError where the installed pylibsrtp lacks a private name that is used here.
"""

from collections.abc import Callable

from pylibsrtp import Session
from pylibsrtp._binding import ffi, lib

from sfu.config.errors import ConfigError

LARGEST_PACKET = 2048
TRAILER = 148  # SRTP_MAX_SRTCP_TRAILER_LEN, the longest of libsrtp's
MAX_SSRCS = 64  # of one peer, which uses one at a time and a new one after each change of its microphone
SHORTEST_PACKET = 12  # anything shorter is neither RTP nor SRTCP

_OK, _REPLAYED, _TOO_OLD = 0, 9, 10  # srtp_err_status_t


class Srtp:
    """The two libsrtp sessions of one association.

    `tx` is a raw pointer that is valid until `close`; nobody may keep a copy longer. Counters of dropped packets: `forged` failed the
    authentication, `replayed` came before or are too old, `strange` are of an SSRC beyond MAX_SSRCS: libsrtp keeps a stream for each
    SSRC that was authentic, and searches all of them.
    """

    __slots__ = ("_buffer", "_length", "_room", "_rx", "_sessions", "_ssrcs", "forged", "replayed", "strange", "tx")

    def __init__(self, received: Session, sent: Session) -> None:
        self._sessions: tuple[Session, ...] = (received, sent)
        self._rx = received._srtp[0]
        self.tx: object = sent._srtp[0]
        self._buffer = ffi.new("unsigned char[]", LARGEST_PACKET + TRAILER)
        self._room = ffi.buffer(self._buffer)
        self._length = ffi.new("int *")
        self._ssrcs: set[bytes] = set()  # those with an authentic packet
        self.forged = self.replayed = self.strange = 0

    def unprotect(self, packet: bytes) -> bytes | None:
        """The RTP packet; None, and counted, where it is forged, replayed, too old or strange. packet: 12 to 2048 bytes."""
        return self._unprotected(lib.srtp_unprotect, packet, packet[8:12])

    def unprotect_rtcp(self, packet: bytes) -> bytes | None:
        """As `unprotect`, for SRTCP."""
        return self._unprotected(lib.srtp_unprotect_rtcp, packet, packet[4:8])

    def _unprotected(self, open_it: Callable[[object, object, object], int], packet: bytes, ssrc: bytes) -> bytes | None:
        known = ssrc in self._ssrcs
        if not known and len(self._ssrcs) >= MAX_SSRCS:
            self.strange += 1
            return None
        length = len(packet)
        self._room[0:length] = packet
        self._length[0] = length
        status = open_it(self._rx, self._buffer, self._length)
        if status == _OK:
            if not known:
                self._ssrcs.add(ssrc)
            return self._room[0 : self._length[0]]  # type: ignore[no-any-return]
        if status in (_REPLAYED, _TOO_OLD):
            self.replayed += 1
        else:
            self.forged += 1
        return None

    def protect(self, packet: bytes) -> bytes | None:
        """The SRTP packet of an RTP packet; None where that has less than 12 or more than 2048 bytes, or libsrtp fails."""
        return self._protected(lib.srtp_protect, packet)

    def protect_rtcp(self, packet: bytes) -> bytes | None:
        """As `protect`, for RTCP; a compound packet is never shorter than 12 bytes."""
        return self._protected(lib.srtp_protect_rtcp, packet)

    def _protected(self, close_it: Callable[[object, object, object], int], packet: bytes) -> bytes | None:
        length = len(packet)
        if not SHORTEST_PACKET <= length <= LARGEST_PACKET:
            return None
        self._room[0:length] = packet
        self._length[0] = length
        if close_it(self.tx, self._buffer, self._length) != _OK:
            return None
        return self._room[0 : self._length[0]]  # type: ignore[no-any-return]

    def close(self) -> None:
        """Free the sessions; nothing may use `tx` any more."""
        self.tx = self._rx = ffi.NULL
        self._sessions = ()


def _check_version() -> None:
    """Raises ConfigError for the first private name that does not exist, so that the start fails and not a handshake."""
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
"""protect(srtp_t, buffer, int *length) -> 0 on success: encrypts one RTP packet in place; TRAILER bytes have to be free after it."""
pointer: Callable[[str, int], object] = ffi.cast
"""pointer("int *", address): an argument of `protect` for memory that the caller owns, and keeps meanwhile."""
