"""ICE over TCP: frames, strangers, slow readers; and two phones that hear each other without UDP."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator

import pytest

from sfu.net import tcp
from sfu.net.media_port import MediaSockets
from tests.sfu.net.test_media_port import Ear, binding, turn
from tests.support.people import Person, friends
from tests.support.roaming import Roamer
from tests.support.sound import encode
from tests.support.spoken import sound_of


class Adopting(Ear):
    """A receiver to whom every request is genuine."""

    def receive_stun(self, request, pair, arrival_ns) -> None:
        super().receive_stun(request, pair, arrival_ns)
        pair.local.peers[pair.address] = self


@pytest.fixture
async def sockets() -> AsyncIterator[MediaSockets]:
    async with MediaSockets(["127.0.0.1"], 0) as opened:
        yield opened


def connected(sockets: MediaSockets) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", sockets.port))
    made.settimeout(20)
    return made


def framed(*datagrams: bytes) -> bytes:
    return b"".join(len(each).to_bytes(2, "big") + each for each in datagrams)


async def ended(there: socket.socket) -> bool:
    """Has the server closed it?"""
    await turn()
    try:
        return there.recv(10) == b""
    except ConnectionResetError:
        return True


async def test_frames_find_their_receiver_however_they_are_cut(sockets: MediaSockets) -> None:
    """Byte by byte or all at once; an empty frame is dropped; what is sent back is framed too."""
    ear = Adopting()
    sockets.register_ufrag("ours", ear)
    stream = framed(binding("ours:x"), b"\x16hello", b"", b"\x80voice", b"\x40turn")
    with connected(sockets) as there:
        for byte in stream:
            there.send(bytes([byte]))
            await turn(2)
        there.send(framed(b"\x80again", b"\x17bye")[:-1])
        await turn()
        there.send(b"e")
        await turn()
        assert ear.dtls == [b"\x16hello", b"\x17bye"] and ear.srtp == [b"\x80voice", b"\x80again"]
        assert (sockets.dropped.strange, sockets.dropped.unknown_address) == (2, 0)
        [pair] = ear.pairs
        assert pair.address == there.getsockname() and pair.local.fd == -1
        assert pair.local.send(b"back", pair.address) and there.recv(10) == framed(b"back")
        pair.local.release(pair.address, ear)
        assert await ended(there) and not pair.local.alive
        assert not pair.local.send(b"late", pair.address)
    assert sockets.listening is not None and sockets.listening.streams == 0


async def test_ipv4_by_a_web_servers_socket_of_both_versions(sockets: MediaSockets) -> None:
    """A client of a dual-stack socket is told its IPv4 address: a mapped one would be a candidate that it never offered."""
    ear = Adopting()
    sockets.register_ufrag("ours", ear)
    with socket.socket(socket.AF_INET6) as both:
        both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        both.bind(("::ffff:127.0.0.1", 0))
        both.listen()
        with socket.create_connection(("127.0.0.1", both.getsockname()[1])) as there:
            connection, address = both.accept()
            sockets.take_in(connection, address)
            there.send(framed(binding("ours:x")))
            await turn()
            assert address[0] == "::ffff:127.0.0.1" and [pair.address for pair in ear.pairs] == [there.getsockname()]


@pytest.mark.parametrize("first", [b"\x16hello", b"\x80voice", b"", b"GET / HTTP/1.1"])
async def test_a_stranger_has_to_begin_with_stun(sockets: MediaSockets, first: bytes) -> None:
    """A first frame that is not STUN closes the connection at once."""
    with connected(sockets) as there:
        there.send(framed(first))
        assert await ended(there)
    assert sockets.dropped.strangers == 1


async def test_a_stranger_may_not_go_on_guessing(sockets: MediaSockets) -> None:
    """After MAX_STRANGER_FRAMES requests that nobody knows, it is closed, and none was answered."""
    with connected(sockets) as there:
        there.send(framed(binding("who:x")) * (tcp.MAX_STRANGER_FRAMES + 1))
        assert await ended(there)
    assert (sockets.dropped.unknown_user, sockets.dropped.strangers) == (tcp.MAX_STRANGER_FRAMES, 1)


async def test_a_stranger_has_little_time(sockets: MediaSockets, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence, or half a frame, is closed after FIRST_REQUEST_S."""
    monkeypatch.setattr(tcp, "FIRST_REQUEST_S", 0.05)
    with connected(sockets) as silent, connected(sockets) as halting:
        halting.send(framed(binding("ours:x"))[:-3])
        await asyncio.sleep(0.1)
        assert await ended(silent) and await ended(halting)
    assert sockets.dropped.strangers == 2


async def test_strangers_are_few(sockets: MediaSockets) -> None:
    """Beyond MAX_STRANGERS the oldest goes; who has proved to be there stays."""
    ear = Adopting()
    sockets.register_ufrag("ours", ear)
    with connected(sockets) as known:
        known.send(framed(binding("ours:x")))
        await turn()
        crowd = []
        for _ in range(tcp.MAX_STRANGERS + 5):
            crowd.append(connected(sockets))
            await turn(3)
        assert sockets.listening is not None and sockets.listening.streams == tcp.MAX_STRANGERS + 1
        assert await ended(crowd[0])
        known.send(framed(b"\x80voice"))
        await turn()
        assert ear.srtp == [b"\x80voice"]
        for each in crowd:
            each.close()


async def test_a_frame_longer_than_any_datagram_closes(sockets: MediaSockets) -> None:
    """A frame that is too long closes the connection, because the framing is lost."""
    ear = Adopting()
    sockets.register_ufrag("ours", ear)
    with connected(sockets) as there:
        there.send(framed(binding("ours:x"), bytes(tcp.LARGEST_FRAME + 1)))
        assert await ended(there)
    assert sockets.dropped.frames == 1


async def test_a_slow_reader_loses_whole_frames(sockets: MediaSockets) -> None:
    """Frames beyond the limit are dropped; those that arrive are whole and in order, and sending continues when it reads again."""
    ear = Adopting()
    sockets.register_ufrag("ours", ear)
    with socket.socket() as there:
        there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        there.connect(("127.0.0.1", sockets.port))
        there.send(framed(binding("ours:x")))
        await turn()
        [pair] = ear.pairs
        taken = [number for number in range(4000) if pair.local.send(number.to_bytes(2, "big") * 100, pair.address)]
        assert sockets.dropped.slow == 4000 - len(taken) > 0
        there.setblocking(False)
        got = b""
        while len(got) < len(taken) * 202:
            async with asyncio.timeout(20):
                got += await asyncio.get_running_loop().sock_recv(there, 65536)
        assert got == framed(*(number.to_bytes(2, "big") * 100 for number in taken))
        assert pair.local.send(b"on", pair.address)


async def test_without_tcp_the_port_serves_udp(caplog: pytest.LogCaptureFixture) -> None:
    """Where another program listens, no TCP is offered, and the log says so."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        async with MediaSockets(["127.0.0.1"], other.getsockname()[1]) as sockets:
            assert sockets.protocols == ("udp",)
    assert "without UDP sound comes by http.port alone" in caplog.text


@pytest.mark.real_time(pair=True)
async def test_a_voice_over_tcp(server) -> None:
    """Broadcaster and listeners without UDP; one listener by UDP beside them; every packet arrives, in order and once."""
    house = await server({"denoise.default": "passthrough"})
    packets = encode(sound_of(4.0))
    async with friends(house.url, "ada", "ben", "cem") as (ada, ben, cem):
        async with Roamer(ada.http, house.url) as mic, Roamer(ben.http, house.url) as ear, cem.phone() as other:
            mic.tcp = ear.tcp = True
            await mic.publish("ada", "?denoise=0&record=0")
            assert " tcp " in mic.answer and "tcptype passive" in mic.answer
            mic.send(0, 0, packets[0])
            await ada.until("ada", live=True)
            await ear.listen("ada", "?variant=original")
            await other.listen("ada", "?variant=auto")
            await mic.talk(packets[1:], first=1)
            await ear.heard(len(packets) - 1)
            await other.heard(1)
            said = packets if other.received[0][1].payload == packets[0] else packets[1:]  # the first was perhaps still held
            await other.heard(len(said))
            assert [packet.payload for _, packet in ear.received] == packets[1:]
            assert [packet.payload for _, packet in other.received] == said


@pytest.mark.real_time(pair=True)
async def test_from_udp_to_tcp_and_back(server) -> None:
    """By address alone and by ICE restart: a listener hears every packet, whichever side moves."""
    house = await server({"denoise.default": "passthrough"})
    packets = encode(sound_of(6.0))
    async with friends(house.url, "ada", "ben") as (ada, ben):
        async with Roamer(ada.http, house.url) as mic, Roamer(ben.http, house.url) as ear:
            await mic.publish("ada", "?denoise=0&record=0")
            mic.send(0, 0, packets[0])
            await ada.until("ada", live=True)
            await ear.listen("ada", "?variant=original")
            talking = asyncio.create_task(mic.talk(packets[1:], first=1))
            for count, go in enumerate((ear.move(tcp=True), mic.restart(tcp=True), ear.restart(), mic.move(), ear.move()), 1):
                await ear.heard(count * 40)
                await go
            await talking
            await ear.heard(len(packets) - 1)
            assert [packet.payload for _, packet in ear.received] == packets[1:]


@pytest.mark.real_time(pair=True)
async def test_a_connection_that_is_cut_is_not_the_end(server) -> None:
    """After its connection breaks the listener comes back over another one; packets sent meanwhile are lost, the rest is heard."""
    house = await server({"denoise.default": "passthrough"})
    packets = encode(sound_of(4.0))
    async with friends(house.url, "ada", "ben") as (ada, ben):
        async with ada.phone() as mic, Roamer(ben.http, house.url) as ear:
            ear.tcp = True
            await mic.publish("ada", "?denoise=0&record=0")
            mic.send(0, 0, packets[0])
            await ada.until("ada", live=True)
            await ear.listen("ada", "?variant=original")
            talking = asyncio.create_task(mic.talk(packets[1:], first=1))
            await ear.heard(50)
            assert ear._socket is not None
            ear._socket.close()
            await asyncio.sleep(0.2)
            await ear.move(tcp=True)
            await talking
            async with asyncio.timeout(20):
                while ear.received[-1][1].payload != packets[-1]:
                    await asyncio.sleep(0.02)
            assert len(ear.received) > len(packets) - 30
            assert (await ada.status())["listeners"] == 1


@pytest.mark.real_time(pair=True)
async def test_a_voice_over_the_web_servers_port(server) -> None:
    """A broadcaster and a listener who reach the HTTPS port alone are heard, move between the two ports, and mute as all do."""
    house = await server({"http.tls": "self-signed", "denoise.default": "passthrough"})
    port = int(house.url.rsplit(":", 1)[1])
    packets = encode(sound_of(4.0))
    async with friends(f"http://127.0.0.1:{port}", "ada", "ben") as (ada, ben):
        async with Roamer(ada.http, ada.url) as mic, Roamer(ben.http, ben.url) as ear:
            mic.tcp = ear.tcp = mic.by_web = ear.by_web = True
            await mic.publish("ada", "?denoise=0&record=0")
            assert mic.web_ports == [port]
            mic.send(0, 0, packets[0])
            await ada.until("ada", live=True)
            await ear.listen("ada", "?variant=original")
            assert await figure(ada, "hushcast_media_connections") == 2
            talking = asyncio.create_task(mic.talk(packets[1:], first=1))
            await ear.heard(40)
            ear.by_web = False
            await ear.move(tcp=True)
            await ear.heard(80)
            ear.by_web = True
            await ear.restart(tcp=True)
            await talking
            await ear.heard(len(packets) - 1)
            assert [packet.payload for _, packet in ear.received] == packets[1:]
            await ada.call("POST", "/api/stream/mute", {"muted": True}, status=204)
        await ada.until("ada", live=False)
        assert await figure(ada, "hushcast_media_connections") == 0


async def test_who_comes_by_a_proxy_is_not_offered_the_web_servers_port(server) -> None:
    """Behind a proxy the web port is not offered, whether its headers or only the Host tell of it."""
    house = await server({"denoise.default": "passthrough"})
    async with friends(house.url, "ada", "ben") as (ada, _):
        for headers in ({"X-Forwarded-For": "203.0.113.5"}, {"Host": "voice.example", "Origin": "http://voice.example"}):
            async with Roamer(ada.http, house.url, headers) as mic:
                await mic.publish("ada", "?record=0")
                assert mic.web_ports == [] and " tcp " in mic.answer
        async with Roamer(ada.http, house.url) as mic:
            await mic.publish("ada", "?record=0")
            assert mic.web_ports == [int(house.url.rsplit(":", 1)[1])]


async def figure(person: Person, name: str) -> int:
    async with person.http.get(f"{person.url}/metrics") as answer:
        [found] = re.findall(rf"^{name} (\d+)$", await answer.text(), re.MULTILINE)
        return int(found)
