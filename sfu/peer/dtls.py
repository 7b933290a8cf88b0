"""DTLS and SRTP of one peer: the only file that knows what aiortc and pylibsrtp keep to themselves.

aiortc's `RTCDtlsTransport` does the handshake over `_Wire`, our own datagrams; from then on its two libsrtp sessions are
used directly, in the datagram callback, without a queue or a task a packet. Importing this raises ConfigError when the
private names below are not there.

Of aiortc only the module of its DTLS transport is loaded, with those that it needs; what it names in signatures alone, PyAV's
frames and the ICE transport, is stood in for.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from OpenSSL import SSL
from pylibsrtp import Session
from pylibsrtp._binding import ffi, lib

from sfu.errors import ConfigError
from sfu.peer.lean_imports import without_top_level

try:
    with without_top_level("aiortc", {"av": ("AudioFrame",), "aiortc.rtcicetransport": ("RTCIceTransport",)}):
        from aiortc.rtcdtlstransport import (
            RTCCertificate,
            RTCDtlsFingerprint,
            RTCDtlsParameters,
            RTCDtlsTransport,
            certificate_digest,
        )
except ImportError as error:
    raise ConfigError(f"this aiortc is another one ({error}): install the versions of setup.cfg") from error

QUEUE = 32  # DTLS datagrams waiting for the handshake; one that does not fit is lost, as on the way
MOST_DATAGRAMS = 512  # an association's whole life; a handshake with every flight lost twice takes some 30
LARGEST_PACKET = 2048
TRAILER = 148  # SRTP_MAX_SRTCP_TRAILER_LEN, the longest of libsrtp's
MOST_SOURCES = 64  # SSRCs of one peer: one at a time, and a new one after each change of its microphone
SHORTEST_PACKET = 12  # anything shorter is neither RTP nor SRTCP

_HASHES = ("sha-256", "sha-384", "sha-512")  # of fingerprints; of those offered the first decides
_OK, _REPLAYED, _TOO_OLD = 0, 9, 10  # srtp_err_status_t

# What aiortc offers, and the same for a server with an RSA certificate, should the client want to be one.
_CIPHERS = b":".join(
    b"ECDHE-%b-%b" % (key, rest)
    for rest in (b"AES128-GCM-SHA256", b"CHACHA20-POLY1305", b"AES128-SHA", b"AES256-SHA")
    for key in (b"ECDSA", b"RSA")
)


class Certificate(RTCCertificate):
    """The server's, for all its peers."""

    def _create_ssl_context(self, srtp_profiles: list[Any]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(_CIPHERS)
        return context


protect: Callable[[object, object, object], int]
"""protect(srtp_t, buffer, int *length) -> 0 when well: encrypts one RTP packet in place, room for TRAILER bytes after it."""
pointer: Callable[[str, int], object]
"""pointer("int *", address): what `protect` takes for memory that is another's, and stays there."""


def _check_versions() -> None:
    """Say which private name is gone, rather than fail in the middle of somebody's handshake."""
    needed: list[tuple[object, tuple[str, ...]]] = [
        (RTCDtlsTransport, ("_set_role", "_recv_next", "_write_ssl", "_validate_peer_identity", "start", "stop")),
        (RTCDtlsTransport(_Wire(lambda _: None), [RTCCertificate.generateCertificate()]), ("_tx_srtp", "_rx_srtp", "_task", "_ssl")),  # type: ignore[arg-type]
        (RTCCertificate, ("_create_ssl_context",)),
        (Session(), ("_srtp",)),
        (lib, ("srtp_protect", "srtp_protect_rtcp", "srtp_unprotect", "srtp_unprotect_rtcp")),
    ]
    for owner, names in needed:
        for name in names:
            if not hasattr(owner, name):
                raise ConfigError(f"this aiortc or pylibsrtp has no {name}: install the versions of setup.cfg")


def new_certificate() -> Certificate:
    """Self-signed, ECDSA P-256: small enough that every flight of the handshake fits one datagram."""
    return Certificate.generateCertificate()


def fingerprint_of(certificate: Certificate) -> tuple[str, str]:
    """("sha-256", hex pairs with colons), as SDP has it."""
    [found] = [each for each in certificate.getFingerprints() if each.algorithm == "sha-256"]
    return found.algorithm, found.value


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


class _Wire:
    """What RTCDtlsTransport takes for its ICE transport. A full queue loses the newcomer: DTLS sends again."""

    role = "controlled"

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self._out = send
        self._incoming: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)
        self.dropped = 0
        self._left = MOST_DATAGRAMS
        self._hung_up = False

    def put(self, datagram: bytes) -> None:
        if self._left > 0 and not self._incoming.full():
            self._left -= 1
            self._incoming.put_nowait(datagram)
        else:
            self.dropped += 1

    async def _send(self, datagram: bytes) -> None:
        self._out(datagram)

    async def _recv(self) -> bytes:
        datagram = None if self._hung_up else await self._incoming.get()
        if datagram is None or self._hung_up:
            raise ConnectionError
        return datagram

    def hang_up(self) -> None:
        """Nothing comes any more; whoever waits is told. Needed beside `cancel`, which asyncio.wait_for (3.11) may swallow."""
        self._hung_up = True
        if not self._incoming.full():
            self._incoming.put_nowait(None)


class _Transport(RTCDtlsTransport):
    """aiortc's, which wants the certificate to match every fingerprint; but where a client lists several of one hash, those of
    other certificates of its too, one has to match (RFC 8122 §5)."""

    def _validate_peer_identity(self, remoteParameters: RTCDtlsParameters) -> None:
        assert self._ssl is not None, "no handshake"
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        offered = remoteParameters.fingerprints
        algorithm = next(each for each in _HASHES if any(one.algorithm == each for one in offered))
        own = certificate_digest(certificate, algorithm) if certificate is not None else None
        matching = [one for one in offered if one.algorithm == algorithm and one.value == own]
        super()._validate_peer_identity(RTCDtlsParameters(matching))  # which fails where there is none


class Dtls:
    """One association, from the first datagram to close_notify. Owns aiortc's transport and its reading task."""

    def __init__(
        self, certificate: Certificate, fingerprints: Iterable[tuple[str, str]], *, active: bool, send: Callable[[bytes], object]
    ) -> None:
        self._wire = _Wire(send)
        self._transport = _Transport(self._wire, [certificate])  # type: ignore[arg-type]
        self._transport._set_role("client" if active else "server")
        self._remote = RTCDtlsParameters([RTCDtlsFingerprint(*each) for each in fingerprints])
        self._reading: asyncio.Future[None] | None = None

    @property
    def dropped(self) -> int:
        """Datagrams that found the queue full, or came after MOST_DATAGRAMS."""
        return self._wire.dropped

    def receive(self, datagram: bytes) -> None:
        """A datagram from the other end; not empty."""
        self._wire.put(datagram)

    async def handshake(self) -> Srtp | None:
        """Shake hands, repeating lost flights; None when it failed. The caller sets the deadline, by cancelling."""
        try:
            await self._transport.start(self._remote)
        except Exception:  # noqa: BLE001 - a stranger's certificate may upset the library in ways that nobody lists
            return None
        if self._transport.state != "connected":
            return None
        self._reading = self._transport._task
        return Srtp(self._transport._rx_srtp, self._transport._tx_srtp)

    async def closed(self) -> None:
        """Wait until the other end has said close_notify; after a successful `handshake`."""
        if self._reading is not None:
            await asyncio.wait({self._reading})

    def abandon(self) -> None:
        """End a handshake that is under way; it returns None."""
        self._wire.hang_up()

    async def close(self) -> None:
        """Say close_notify, if there is anyone to hear it, and wait for the reading task."""
        await self._transport.stop()
        self._wire.hang_up()
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None
        self._transport._rx_srtp = self._transport._tx_srtp = None  # type: ignore[assignment]
        self._transport._ssl = None  # 20 KB of OpenSSL's, else kept until the interpreter looks for cycles
        self._transport.remove_all_listeners()


protect, pointer = lib.srtp_protect, ffi.cast
_check_versions()
