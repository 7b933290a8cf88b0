"""DTLS of one peer (RFC 5763): the only file that knows what aiortc and pyOpenSSL keep to themselves.

aiortc's `RTCDtlsTransport` does the handshake over `_Wire`, our own datagrams; from then on its two libsrtp sessions are
`srtp`'s. Importing this raises ConfigError when the
private names below are not there.

Of aiortc only the module of its DTLS transport is loaded, with those that it needs; what it names in signatures alone, PyAV's
frames and the ICE transport, is stood in for.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from OpenSSL import SSL

from sfu.errors import ConfigError
from sfu.peer.lean_imports import without_top_level
from sfu.peer.srtp import Srtp

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

_HASHES = ("sha-256", "sha-384", "sha-512")  # of fingerprints; of those offered the first decides

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


def _check_versions() -> None:
    """Say which private name is gone, rather than fail in the middle of somebody's handshake."""
    needed: list[tuple[object, tuple[str, ...]]] = [
        (RTCDtlsTransport, ("_set_role", "_recv_next", "_write_ssl", "_validate_peer_identity", "start", "stop")),
        (RTCDtlsTransport(_Wire(lambda _: None), [RTCCertificate.generateCertificate()]), ("_tx_srtp", "_rx_srtp", "_task", "_ssl")),  # type: ignore[arg-type]
        (RTCCertificate, ("_create_ssl_context",)),
    ]
    for owner, names in needed:
        for name in names:
            if not hasattr(owner, name):
                raise ConfigError(f"this aiortc has no {name}: install the versions of setup.cfg")


def new_certificate() -> Certificate:
    """Self-signed, ECDSA P-256: small enough that every flight of the handshake fits one datagram."""
    return Certificate.generateCertificate()


def fingerprint_of(certificate: Certificate) -> tuple[str, str]:
    """("sha-256", hex pairs with colons), as SDP has it."""
    [found] = [each for each in certificate.getFingerprints() if each.algorithm == "sha-256"]
    return found.algorithm, found.value


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


_check_versions()
