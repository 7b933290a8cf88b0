"""DTLS of one peer (RFC 5763). The only module that uses private names of aiortc and pyOpenSSL.

aiortc's `RTCDtlsTransport` does the handshake, with datagrams that pass through `_DatagramPipe`; then `srtp` uses its two libsrtp
sessions. Importing this raises ConfigError where a private name that is used below does not exist.

Of aiortc only the module of the DTLS transport is loaded, with those that it needs. Modules whose classes it names in signatures
alone, PyAV and the ICE transport, are replaced by stand-ins.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from OpenSSL import SSL

from sfu.config.errors import ConfigError
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
    raise ConfigError(f"this version of aiortc does not fit ({error}): install the versions of setup.cfg") from error

MAX_QUEUED = 32  # DTLS datagrams that wait for the handshake; further ones are dropped, and DTLS retransmits
MAX_DATAGRAMS = 512  # of one association; a handshake with every flight lost twice takes some 30

_HASHES = ("sha-256", "sha-384", "sha-512")  # of fingerprints, the preferred first

# aiortc's ciphers, and the same for clients with an RSA certificate that are the DTLS server.
_CIPHERS = b":".join(
    b"ECDHE-%b-%b" % (key, rest)
    for rest in (b"AES128-GCM-SHA256", b"CHACHA20-POLY1305", b"AES128-SHA", b"AES256-SHA")
    for key in (b"ECDSA", b"RSA")
)


class Certificate(RTCCertificate):
    """The server's certificate, for all its peers."""

    def _create_ssl_context(self, srtp_profiles: list[Any]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(_CIPHERS)
        return context


def _check_versions() -> None:
    """Raises ConfigError for the first private name that does not exist, so that the start fails and not a handshake."""
    transport = RTCDtlsTransport(_DatagramPipe(lambda _: None), [RTCCertificate.generateCertificate()])  # type: ignore[arg-type]
    needed: list[tuple[object, tuple[str, ...]]] = [
        (RTCDtlsTransport, ("_set_role", "_recv_next", "_write_ssl", "_validate_peer_identity", "start", "stop")),
        (transport, ("_tx_srtp", "_rx_srtp", "_task", "_ssl")),
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
    """("sha-256", hex pairs with colons), as in SDP."""
    [found] = [each for each in certificate.getFingerprints() if each.algorithm == "sha-256"]
    return found.algorithm, found.value


class _DatagramPipe:
    """The ICE transport that RTCDtlsTransport is given. Bounded: drops and counts datagrams that do not fit; DTLS retransmits."""

    role = "controlled"

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self._out = send
        self._incoming: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_QUEUED)
        self.dropped = 0
        self._left = MAX_DATAGRAMS
        self._ended = False

    def put(self, datagram: bytes) -> None:
        if self._left > 0 and not self._incoming.full():
            self._left -= 1
            self._incoming.put_nowait(datagram)
        else:
            self.dropped += 1

    async def _send(self, datagram: bytes) -> None:
        self._out(datagram)

    async def _recv(self) -> bytes:
        datagram = None if self._ended else await self._incoming.get()
        if datagram is None or self._ended:
            raise ConnectionError
        return datagram

    def end(self) -> None:
        """Make `_recv` raise ConnectionError from now on. Needed besides cancelling, which asyncio.wait_for (3.11) may swallow."""
        self._ended = True
        if not self._incoming.full():
            self._incoming.put_nowait(None)


class _Transport(RTCDtlsTransport):
    """aiortc's, which requires the certificate to match every fingerprint. But a client may list fingerprints of several certificates:
    of those with the preferred hash one has to match (RFC 8122 §5)."""

    def _validate_peer_identity(self, remoteParameters: RTCDtlsParameters) -> None:
        assert self._ssl is not None, "no handshake"
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        offered = remoteParameters.fingerprints
        algorithm = next(each for each in _HASHES if any(one.algorithm == each for one in offered))
        own = certificate_digest(certificate, algorithm) if certificate is not None else None
        matching = [one for one in offered if one.algorithm == algorithm and one.value == own]
        super()._validate_peer_identity(RTCDtlsParameters(matching))  # raises where the list is empty


class Dtls:
    """One association, from its first datagram to close_notify. Owns aiortc's transport and its reading task."""

    def __init__(
        self, certificate: Certificate, fingerprints: Iterable[tuple[str, str]], *, active: bool, send: Callable[[bytes], object]
    ) -> None:
        self._pipe = _DatagramPipe(send)
        self._transport = _Transport(self._pipe, [certificate])  # type: ignore[arg-type]
        self._transport._set_role("client" if active else "server")
        self._remote = RTCDtlsParameters([RTCDtlsFingerprint(*each) for each in fingerprints])
        self._reading: asyncio.Future[None] | None = None

    @property
    def dropped(self) -> int:
        """Datagrams that were dropped: the queue was full, or there were more than MAX_DATAGRAMS."""
        return self._pipe.dropped

    def receive(self, datagram: bytes) -> None:
        """A datagram from the other end; not empty."""
        self._pipe.put(datagram)

    async def handshake(self) -> Srtp | None:
        """Do the handshake, with retransmissions; None where it failed. The caller limits its time by cancelling."""
        try:
            await self._transport.start(self._remote)
        except Exception:  # noqa: BLE001 - the library documents no exceptions for malformed certificates
            return None
        if self._transport.state != "connected":
            return None
        self._reading = self._transport._task
        return Srtp(self._transport._rx_srtp, self._transport._tx_srtp)

    async def closed(self) -> None:
        """Wait for the other end's close_notify; after a successful `handshake`."""
        if self._reading is not None:
            await asyncio.wait({self._reading})

    def abandon(self) -> None:
        """Make a handshake under way fail."""
        self._pipe.end()

    async def close(self) -> None:
        """Send close_notify after a handshake, and wait for the reading task."""
        await self._transport.stop()
        self._pipe.end()
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None
        self._transport._rx_srtp = self._transport._tx_srtp = None  # type: ignore[assignment]
        self._transport._ssl = None  # frees 20 KB of OpenSSL's now, not at the next garbage collection
        self._transport.remove_all_listeners()


_check_versions()
