"""DTLS and SRTP: the use of aiortc's and pylibsrtp's private names, and the limits."""

import asyncio
import gc
import weakref

import pytest
from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi

from sfu.config.errors import ConfigError
from sfu.peer import dtls
from sfu.peer.srtp import LARGEST_PACKET, TRAILER, Srtp, protect
from sfu.wire import rtp


def session(key: bytes, kind: int) -> Session:
    return Session(Policy(key=key, ssrc_type=kind, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_256_GCM))


@pytest.fixture
def srtp() -> Srtp:
    """Two sessions with the same key."""
    key = bytes(range(44))
    return Srtp(session(key, Policy.SSRC_ANY_INBOUND), session(key, Policy.SSRC_ANY_OUTBOUND))


def test_packets_go_and_come(srtp: Srtp) -> None:
    """RTP and RTCP, once; the second time it is a replay."""
    packet = rtp.build(111, 1, 2, 3, b"voice")
    protected = srtp.protect(packet)
    assert protected is not None and b"voice" not in protected
    assert srtp.unprotect(protected) == packet
    assert srtp.unprotect(protected) is None and srtp.replayed == 1
    report = b"\x80\xc9\x00\x02" + bytes(8)
    control = srtp.protect_rtcp(report)
    assert control is not None and srtp.unprotect_rtcp(control) == report
    assert srtp.unprotect_rtcp(bytes(40)) is None and srtp.forged == 1


def test_what_does_not_fit_is_not_protected(srtp: Srtp) -> None:
    """Too short and too long packets never reach libsrtp."""
    assert srtp.protect(b"\x80") is None and srtp.protect_rtcp(b"\x80") is None
    assert srtp.protect(bytes(LARGEST_PACKET + 1)) is None
    longest = rtp.build(111, 1, 2, 3, bytes(LARGEST_PACKET - 12))
    assert srtp.protect(longest) is not None


def test_a_packet_is_protected_in_place(srtp: Srtp) -> None:
    """The raw function that the fan-out uses on its own slots."""
    packet = rtp.build(111, 9, 2, 3, b"voice")
    slot = ffi.new("unsigned char[]", len(packet) + TRAILER)
    ffi.buffer(slot)[: len(packet)] = packet
    length = ffi.new("int *", len(packet))
    assert protect(srtp.tx, slot, length) == 0
    assert srtp.unprotect(ffi.buffer(slot)[: length[0]]) == packet


def test_a_missing_private_name_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """An aiortc without a private name is refused at the start, not in a handshake."""
    monkeypatch.delattr(dtls.RTCDtlsTransport, "_set_role")
    with pytest.raises(ConfigError, match="_set_role"):
        dtls._check_versions()


def test_the_fingerprint_is_that_of_the_certificate() -> None:
    """SHA-256, 32 pairs."""
    algorithm, value = dtls.fingerprint_of(dtls.new_certificate())
    assert algorithm == "sha-256" and len(value.split(":")) == 32


async def test_datagrams_that_nobody_reads_are_dropped() -> None:
    """Datagrams are dropped and counted beyond the queue's length, and beyond the number for one association."""
    end = dtls.Dtls(dtls.new_certificate(), [("sha-256", "AB")], active=False, send=lambda _: None)
    for _ in range(100):
        end.receive(b"\x16rubbish")
    assert end.dropped == 100 - dtls.MAX_QUEUED
    shaking = asyncio.create_task(end.handshake())
    for _ in range(dtls.MAX_DATAGRAMS * 2):
        end.receive(b"\x16rubbish")
        await asyncio.sleep(0)
    assert end.dropped >= 100 - dtls.MAX_QUEUED + dtls.MAX_DATAGRAMS
    shaking.cancel()
    await asyncio.wait({shaking})
    await end.close()


def pair() -> list[dtls.Dtls]:
    """Two ends with each other's datagrams: the client, the server."""
    ends: list[dtls.Dtls] = []
    certificates = [dtls.new_certificate(), dtls.new_certificate()]
    for at in (0, 1):
        remote = [dtls.fingerprint_of(certificates[1 - at])]
        ends.append(dtls.Dtls(certificates[at], remote, active=at == 0, send=lambda datagram, to=1 - at: ends[to].receive(datagram)))  # type: ignore[misc]
    return ends


async def test_two_ends_shake_hands_and_say_goodbye() -> None:
    """Keys fit on both sides, and the other end hears close_notify."""
    ends = pair()
    client, server = await asyncio.gather(*(end.handshake() for end in ends))
    assert client is not None and server is not None
    packet = rtp.build(111, 1, 2, 3, b"voice")
    assert server.unprotect(client.protect(packet) or b"") == packet
    assert client.unprotect(server.protect(packet) or b"") == packet
    await ends[0].close()
    async with asyncio.timeout(20):
        await ends[1].closed()
    await ends[1].close()
    await ends[1].close()


async def test_what_openssl_holds_is_given_back_at_the_close() -> None:
    """A closed end frees OpenSSL's memory at once, even while it is still referenced."""
    ends = pair()
    await asyncio.gather(*(end.handshake() for end in ends))
    held = [weakref.ref(end._transport._ssl) for end in ends]
    gc.disable()
    try:
        for end in ends:
            await end.close()
        assert [each() for each in held] == [None, None]
    finally:
        gc.enable()
