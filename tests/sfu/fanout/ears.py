"""Receivers for the fan-out's tests: real SRTP sessions on real UDP sockets, without the ICE and DTLS of a peer."""

import os
import socket
from collections.abc import Callable
from types import TracebackType

from pylibsrtp import Policy, Session

from sfu.peer.srtp import Srtp
from sfu.wire import rtcp, rtp
from sfu.wire.sdp import Audio
from tests.support.softphone import is_rtcp

SSRC = 0x1234_5678
_KEY_BYTES = 44  # AES-256-GCM: key and salt


def _policy(key: bytes, kind: int) -> Policy:
    policy = Policy(key=key, ssrc_type=kind, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_256_GCM)
    policy.allow_repeat_tx = True
    policy.window_size = 1024
    return policy


class Ear:
    """The part of a peer that a fan-out uses, and its remote end. Owns its own socket, but not `sender`."""

    def __init__(self, sender: socket.socket, audio: Audio | None = None) -> None:
        self.id = os.urandom(6).hex()
        self.audio = audio or Audio(mid="0", opus_pt=111)
        self.on_closing: Callable[[], None] = lambda: None
        self.socket = socket.socket(sender.family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind(("::1" if sender.family == socket.AF_INET6 else "127.0.0.1", 0))
        self.socket.setblocking(False)
        self.sender = sender
        self.fd = sender.fileno()
        self.carrier = None
        self.address = self.socket.getsockname()
        key = os.urandom(_KEY_BYTES)
        near, far = (
            Srtp(Session(_policy(key, Policy.SSRC_ANY_INBOUND)), Session(_policy(key, Policy.SSRC_ANY_OUTBOUND))) for _ in range(2)
        )
        self._srtp, self._far = near, far
        self.refused = 0  # datagrams that did not decrypt

    def __enter__(self) -> "Ear":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def tx(self) -> object:
        return self._srtp.tx

    def send_rtp(self, packet: bytes) -> bool:
        return self._send(self._srtp.protect(packet))

    def send_rtcp(self, packet: bytes) -> bool:
        return self._send(self._srtp.protect_rtcp(packet))

    def _send(self, datagram: bytes | None) -> bool:
        return datagram is not None and self.sender.sendto(datagram, self.address) > 0

    def close(self) -> None:
        """Call `on_closing` first, then free the keys, as a peer does."""
        self.on_closing()
        self._srtp.close()
        self._far.close()
        self.socket.close()

    def hear(self) -> tuple[list[rtp.RtpPacket], list[rtcp.Rtcp]]:
        """Everything that has come in since the last call, decrypted and parsed."""
        packets: list[rtp.RtpPacket] = []
        reports: list[rtcp.Rtcp] = []
        while True:
            try:
                datagram = self.socket.recv(2048)
            except BlockingIOError:
                return packets, reports
            kind = is_rtcp(datagram)
            plain = self._far.unprotect_rtcp(datagram) if kind else self._far.unprotect(datagram)
            if plain is None:
                self.refused += 1
            elif kind:
                reports += rtcp.parse(plain)
            else:
                packets.append(rtp.parse(plain))
