"""The media port: binding, demultiplexing, limits."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aioice import stun

from sfu.config.errors import ConfigError
from sfu.net import media_port
from sfu.net.media_port import MediaSockets
from sfu.net.pairs import CandidatePair, LocalSocket
from sfu.wire import ice
from sfu.wire.ice import Address


class Ear:
    """A receiver that keeps what it is given."""

    pending = False

    def __init__(self) -> None:
        self.stun: list[ice.Request] = []
        self.pairs: list[CandidatePair] = []
        self.dtls: list[bytes] = []
        self.srtp: list[bytes] = []
        self.swept: list[int] = []

    def receive_stun(self, request: ice.Request, pair: CandidatePair, arrival_ns: int) -> None:
        self.stun.append(request)
        self.pairs.append(pair)

    def receive_consent(self, datagram: bytes, local: LocalSocket, address: Address, arrival_ns: int) -> bool:
        return False

    def receive_dtls(self, datagram: bytes) -> None:
        self.dtls.append(datagram)

    def receive_srtp(self, datagram: bytes, local: LocalSocket, address: Address, arrival_ns: int) -> None:
        self.srtp.append(datagram)

    def sweep(self, now_ns: int) -> None:
        self.swept.append(now_ns)

    def give_up(self) -> None: ...


@pytest.fixture
async def sockets() -> AsyncIterator[MediaSockets]:
    async with MediaSockets(["127.0.0.1"], 0) as opened:
        yield opened


def client(sockets: MediaSockets, address: str = "127.0.0.1") -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    made.connect((address, sockets.port))
    made.settimeout(20)
    return made


def binding(username: str) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes={"USERNAME": username})
    message.add_message_integrity(b"key")
    return bytes(message)


async def turn(times: int = 20) -> None:
    """Let the loop read what has arrived; on loopback it is there when send returns."""
    for _ in range(times):
        await asyncio.sleep(0)


async def test_datagrams_find_their_receiver(sockets: MediaSockets) -> None:
    """STUN goes by its ufrag, DTLS and SRTP by address; datagrams for no peer are counted by reason."""
    ear = Ear()
    sockets.register_ufrag("ours", ear)
    with client(sockets) as there:
        for datagram in (b"\x16early", b"\x80early", binding("who:x"), b"\x00rubbish", b"\x40turn", b"", b"\xff", binding("ours:x")):
            there.send(datagram)
        await turn()
        dropped = sockets.dropped
        assert (dropped.unknown_address, dropped.unknown_user, dropped.malformed, dropped.strange) == (2, 1, 1, 3)
        [pair] = ear.pairs
        assert pair.address == there.getsockname() and ear.stun[0].ufrag == "ours"
        pair.local.peers[pair.address] = ear
        for datagram in (b"\x16hello", b"\x14", b"\x3f", b"\x80voice", b"\xbf"):
            there.send(datagram)
        await turn()
        assert ear.dtls == [b"\x16hello", b"\x14", b"\x3f"] and ear.srtp == [b"\x80voice", b"\xbf"]
        assert pair.local.send(b"back", pair.address) and there.recv(10) == b"back"
    sockets.unregister_ufrag("ours")


async def test_a_burst_leaves_room_for_others(sockets: MediaSockets) -> None:
    """One datagram is read before the loop turns, and at most MAX_BATCH where they follow each other closely."""
    with client(sockets) as there:
        for _ in range(media_port.MAX_BATCH * 2):
            there.send(b"\xff")
        sockets._read(sockets.ports[0])
        assert sockets.dropped.strange == 1
        sockets.ports[0].read_ns = sockets.clock_ns()
        sockets._read(sockets.ports[0])
        assert sockets.dropped.strange == 1 + media_port.MAX_BATCH
        await turn()
        assert sockets.dropped.strange == media_port.MAX_BATCH * 2


async def test_a_crowd_is_noticed_however_slowly_the_loop_turns() -> None:
    """Where the loop has other work between reads, waiting datagrams are soon read in batches, and single ones alone again."""
    now_ns = 0

    def clock_ns() -> int:
        nonlocal now_ns
        now_ns += 10 * media_port.BATCH_GAP_NS
        return now_ns

    async with MediaSockets(["127.0.0.1"], 0, clock_ns=clock_ns) as sockets:
        port = sockets.ports[0]
        asyncio.get_running_loop().remove_reader(port.fd)
        with client(sockets) as there:
            for _ in range(media_port.MAX_SINGLE_READS + 2 * media_port.MAX_BATCH):
                there.send(b"\xff")
            for turn_ in range(media_port.MAX_SINGLE_READS):
                sockets._read(port)
                assert sockets.dropped.strange == turn_ + 1
            for turn_ in (1, 2):
                sockets._read(port)
                assert sockets.dropped.strange == media_port.MAX_SINGLE_READS + turn_ * media_port.MAX_BATCH
            sockets._read(port)
            for _ in range(2):
                there.send(b"\xff")
            sockets._read(port)
            assert sockets.dropped.strange == media_port.MAX_SINGLE_READS + 2 * media_port.MAX_BATCH + 1


async def test_what_the_kernel_refuses_is_counted(sockets: MediaSockets) -> None:
    """A datagram that is too long for UDP is lost, not an error."""
    assert not sockets.ports[0].send(bytes(70_000), ("127.0.0.1", 9))
    assert sockets.dropped.unsent == 1


async def test_a_used_port_is_one_clear_line(sockets: MediaSockets) -> None:
    """ConfigError, with the setting and the number."""
    with pytest.raises(ConfigError, match=rf"rtc\.port: UDP port {sockets.port} .*127\.0\.0\.1"):
        async with MediaSockets(["127.0.0.1"], sockets.port):
            pass


@pytest.mark.parametrize("host", ["192.0.2.200", "", "no such name", "x" * 300])
async def test_a_foreign_address_is_one_clear_line(host: str) -> None:
    """ConfigError for an address that is not ours, and for what is no address."""
    with pytest.raises(ConfigError, match=r"^rtc\.host: .*$"):
        async with MediaSockets([host], 0):
            pass


async def test_a_wildcard_is_every_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    """One socket an address, all on one port, and answers leave from the address that was asked."""
    monkeypatch.setattr("sfu.net.bind._interface_addresses", lambda *, with_ipv6: ["127.0.0.1", "127.0.0.2"])  # tests stay on loopback
    async with MediaSockets(["0.0.0.0", "127.0.0.1"], 0) as sockets:
        assert "127.0.0.1" in sockets.addresses and len(set(sockets.addresses)) == len(sockets.addresses)
        assert {port.socket.getsockname()[1] for port in sockets.ports} == {sockets.port}
        ear = Ear()
        sockets.register_ufrag("ours", ear)
        for address in sockets.addresses:
            with client(sockets, address) as there:
                there.send(binding("ours:x"))
                await turn()
                ear.pairs[-1].local.send(b"back", ear.pairs[-1].address)
                assert there.recv(10) == b"back"  # a connected socket hears only whom it has called


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
async def test_ipv6_works_beside_ipv4() -> None:
    """Both loopbacks on the same port."""
    try:
        async with MediaSockets(["127.0.0.1", "::1"], 0) as sockets:
            ear = Ear()
            sockets.register_ufrag("ours", ear)
            with client(sockets, "::1") as there:
                there.send(binding("ours:x"))
                await turn()
                assert ear.pairs[0].local.send(b"back", ear.pairs[0].address) and there.recv(10) == b"back"
    except ConfigError as refused:
        pytest.skip(str(refused))


async def test_members_are_swept_until_they_are_dismissed(sockets: MediaSockets) -> None:
    """A sweep reaches every member once, with the sockets' clock."""
    ear = Ear()
    sockets.admit(ear)
    sockets.sweep()
    sockets.dismiss(ear)
    sockets.sweep()
    assert len(ear.swept) == 1
