"""What no client should send, at the sockets of a running server: dropped and counted, answered with less than was asked, harming nobody.

The corpus beside this file, everything that hypothesis makes of it, and floods. The server is another process, and while all this
goes on one voice is live: its listeners, by UDP and by TCP, have to get every packet.
"""

import asyncio
import http.client
import random
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from itertools import cycle
from pathlib import Path

import psutil
import pytest
from aiortc import RTCCertificate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.clients.stage import Stage, staged
from tests.support.people import Person
from tests.support.roaming import Roamer
from tests.support.running import Server
from tests.support.softphone import RED, Softphone
from tests.support.sound import encode
from tests.support.spoken import sound_of

pytestmark = pytest.mark.real_time

CORPUS = Path(__file__).parents[1] / "corpus"
QUIETLY = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
MOST_GROWTH = 60 * 2**20  # bytes: of the server's memory, in any of these
StartServer = Callable[..., Awaitable[Server]]


def corpus(name: str) -> list[bytes]:
    """The datagrams of one file: hex, one a line; `-` is an empty one."""
    lines = (CORPUS / f"{name}.hex").read_text().splitlines()
    return [bytes.fromhex(line.removesuffix("-")) for line in lines if not line.startswith("#")]


def mutated(*names: str) -> st.SearchStrategy[bytes]:
    """Rubbish, and the corpus with bytes changed, cut off or put behind."""
    known = st.sampled_from([each for name in names for each in corpus(name)])
    changes = st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), max_size=6)

    def change(datagram: bytes, at: list[tuple[int, int]], cut: int | None, more: bytes) -> bytes:
        changed = bytearray(datagram)
        for place, value in at:
            if changed:
                changed[place % len(changed)] = value
        return bytes(changed[:cut]) + more

    return st.builds(change, known, changes, st.none() | st.integers(0, 60), st.binary(max_size=20)) | st.binary(max_size=1500)


@asynccontextmanager
async def unharmed(server: StartServer) -> AsyncIterator[tuple[Stage, "Voice"]]:
    """A voice on air with a listener by UDP and one by TCP; at the end each has every packet, and the server no trouble in its log."""
    house = await server({"denoise.default": "passthrough"})
    async with staged(house) as stage, Softphone(stage.ada.http, house.url) as mic:
        async with stage.ear() as ear, Roamer(stage.ben.http, house.url) as other:
            other.tcp = True
            await mic.publish("ada", "?denoise=0&record=0")
            async with Voice(mic) as voice:
                await stage.ada.until("ada", live=True)
                await ear.listen("ada", "?variant=original")
                await other.listen("ada", "?variant=original")
                first = voice.sent
                before = psutil.Process(house.pid).memory_info().rss
                yield stage, voice
                grown = psutil.Process(house.pid).memory_info().rss - before
            for each in (ear, other):
                await each.heard(voice.sent - first - 5, 30)
                numbers = [packet.sequence for _, packet in each.received]
                assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert grown < MOST_GROWTH, f"{grown / 2**20:.0f} MiB"
        log = house.log
        assert " ERROR " not in log and "Traceback" not in log, log


class Voice:
    """Somebody who talks while the context lasts, from a task of its own."""

    def __init__(self, mic: Softphone) -> None:
        self.mic, self.sent = mic, 0
        self._packets = encode(sound_of(5.0))

    async def __aenter__(self) -> "Voice":
        self._talking = asyncio.create_task(self._talk())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._talking.cancel()
        await asyncio.gather(self._talking, return_exceptions=True)

    async def _talk(self) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for payload in cycle(self._packets):
            await asyncio.sleep(max(0.0, start + self.sent * 0.02 - loop.time()))
            self.mic.send(self.sent & 0xFFFF, self.sent * 960 & 0xFFFFFFFF, payload)
            self.sent += 1


async def dropped(person: Person) -> dict[str, int]:
    """The media port's own count, by reason."""
    return await asyncio.to_thread(count_at, person.url)


def count_at(url: str) -> dict[str, int]:
    there = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    with closing(there):
        there.request("GET", "/metrics")
        found = re.findall(r'hushcast_media_dropped_total\{reason="(\w+)"\} (\S+)', there.getresponse().read().decode())
    return {reason: int(float(count)) for reason, count in found}


def let_it_read(url: str) -> None:
    """Wait until the server has read what was sent: its count stands still. What its kernel dropped it would never have seen."""
    before: dict[str, int] = {}
    while (now := count_at(url)) != before:
        before = now


def answered(asking: socket.socket) -> int:
    """Bytes that have come back so far."""
    total = 0
    while True:
        try:
            total += len(asking.recv(4096))
        except (BlockingIOError, ConnectionRefusedError):
            return total


async def test_strangers_at_the_udp_port(server: StartServer) -> None:
    """STUN, DTLS, RTP and RTCP from nobody: not one byte comes back, also where a user's name is known; all is counted by reason."""
    async with unharmed(server) as (stage, voice):
        before = await dropped(stage.ada)
        known = re.findall(r"a=ice-ufrag:(\S+)", voice.mic.answer)[0].encode()

        def storm() -> int:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.connect(("127.0.0.1", stage.house.media_port))
                asking.setblocking(False)
                count = 0

                @settings(QUIETLY, max_examples=600)
                @given(mutated("stun", "dtls", "rtp", "rtcp"))
                def send(datagram: bytes) -> None:
                    nonlocal count
                    asking.send(datagram.replace(b"ufrg", known))
                    count += 1
                    if count % 100 == 0:
                        let_it_read(stage.house.url)

                for datagram in (each for name in ("stun", "dtls", "rtp", "rtcp", "red", "tcp") for each in corpus(name)):
                    for form in (datagram, datagram.replace(b"ufrg", known)):
                        asking.send(form)
                        count += 1
                send()
                let_it_read(stage.house.url)
                return count if not answered(asking) else -1

        sent = await asyncio.to_thread(storm)
        assert sent > 600, "something was answered"
        gained = {reason: count - before[reason] for reason, count in (await dropped(stage.ada)).items()}
        assert min(gained[reason] for reason in ("strange", "malformed", "unknown_user", "unknown_address")) > 0
        assert sum(gained.values()) > 0.8 * sent  # what names our user and fails its check is counted by its peer


async def test_strangers_at_the_tcp_port(server: StartServer) -> None:
    """Whatever they send and however it is cut, they hear nothing and are closed."""
    async with unharmed(server) as (stage, _):

        def storm() -> int:
            heard = 0

            @settings(QUIETLY, max_examples=80)
            @given(mutated("tcp", "stun"), st.integers(1, 40))
            def send(stream: bytes, cut: int) -> None:
                nonlocal heard
                with socket.create_connection(("127.0.0.1", stage.house.media_port)) as there:
                    there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    try:
                        there.sendall(stream[:cut])
                        there.sendall(stream[cut:])
                        there.shutdown(socket.SHUT_WR)
                        there.settimeout(10)
                        heard += len(there.recv(4096))
                    except OSError:  # it was closed in the middle, as it should be
                        pass

            send()
            return heard

        assert await asyncio.to_thread(storm) == 0
        gained = await dropped(stage.ada)
        assert gained["strangers"] > 0 and gained["frames"] >= 0


async def test_rubbish_from_those_who_are_known(server: StartServer) -> None:
    """RTP, RTCP and RED that are authentic and wrong, from a broadcaster and a listener, over UDP and over TCP; and SRTP that is not.

    All is counted by reason, and stays counted when they have gone.
    """
    async with unharmed(server) as (stage, _):
        before = await dropped(stage.ada)
        async with Roamer(stage.ben.http, stage.house.url) as wild, Roamer(stage.ben.http, stage.house.url) as second:
            second.tcp = True
            await wild.publish("ben", "?denoise=0&record=0", red=True)
            await second.listen("ada")
            chance = random.Random(3)
            media, control, red = corpus("rtp"), corpus("rtcp"), corpus("red")
            for phone in (wild, second):
                protect, protect_rtcp = phone._dtls._tx_srtp.protect, phone._dtls._tx_srtp.protect_rtcp
                for at, payload in enumerate(red * 3):
                    phone.send(at, at * 960, payload, payload_type=RED)
                for at in range(400):
                    plain = bytearray(chance.choice(media if at % 2 else control))
                    if len(plain) > 12 and at > 60:
                        plain[chance.randrange(len(plain))] = chance.randrange(256)
                    try:
                        datagram = protect(bytes(plain)) if at % 2 else protect_rtcp(bytes(plain))
                    except Exception:  # noqa: BLE001 - libsrtp itself refuses to encrypt what is no packet
                        datagram = bytes(plain)
                    phone._out(datagram)
                    if at % 10 == 1:
                        phone._out(datagram)
                    phone._out(bytes(chance.randrange(256) for _ in range(chance.randrange(80))))
                    phone._out(bytes([chance.randrange(20, 64)]) + bytes(chance.choice(corpus("dtls"))[1:]))
                    if at % 20 == 0:
                        await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            assert (await stage.ada.status())["live"]
            expected = {"srtp_forged", "srtp_replayed", "rtp_malformed", "rtp_unasked", "no_opus", "not_agreed"}
            deadline = time.monotonic() + 20
            while_here = await dropped(stage.ada)
            while missing := [reason for reason in expected if while_here[reason] == before[reason]]:
                assert time.monotonic() < deadline, missing
                await asyncio.sleep(0.05)
                while_here = await dropped(stage.ada)
            await wild.delete()
            await second.delete()
        after = await dropped(stage.ada)
        assert all(after[reason] >= count for reason, count in while_here.items())


def offers() -> list[str]:
    return [file.read_bytes().decode() for file in sorted((CORPUS / "sdp").glob("*.sdp"))]


def broken_offers() -> st.SearchStrategy[str]:
    """Offers of real clients with lines left out, doubled, moved, spoiled."""
    word = st.sampled_from(["", "0", "-1", "99999999999999999999", "a=", "m=audio 9 x y", "\x00", "é", "a=group:BUNDLE", "x" * 5000])
    change = st.tuples(st.sampled_from(["drop", "double", "swap", "end", "word"]), st.integers(0, 200), word)

    def change_all(text: str, changes: list[tuple[str, int, str]]) -> str:
        lines = text.split("\r\n")
        for kind, place, spoiled in changes:
            at = place % len(lines)
            if kind == "drop" and len(lines) > 1:
                del lines[at]
            elif kind == "double":
                lines.insert(at, lines[at])
            elif kind == "swap":
                lines[at], lines[-at - 1] = lines[-at - 1], lines[at]
            elif kind == "end":
                lines[at] = lines[at][: place // 7] + spoiled
            else:
                words = lines[at].split(" ")
                words[place % len(words)] = spoiled
                lines[at] = " ".join(words)
        return "\r\n".join(lines)

    return st.builds(change_all, st.sampled_from(offers()), st.lists(change, max_size=4)) | st.text(max_size=200)


async def test_offers_of_every_kind(server: StartServer) -> None:
    """Every real client's offer is taken as it is; whatever is made of them gets 201 or a clear refusal, never an error of ours."""
    async with unharmed(server) as (stage, _):

        def ask(text: str, path: str) -> int:
            there = http.client.HTTPConnection("127.0.0.1", int(stage.house.url.rsplit(":", 1)[1]), timeout=30)
            headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {stage.listen}"}
            try:
                there.request("POST", path, text.encode("utf-8", "replace"), headers)
                return there.getresponse().status
            finally:
                there.close()

        def storm() -> set[int]:
            statuses = set()

            @settings(QUIETLY, max_examples=250)
            @given(broken_offers())
            def send(text: str) -> None:
                statuses.add(ask(text, "/whep/ada"))

            send()
            return statuses

        for file in sorted((CORPUS / "sdp").glob("*-listen.sdp")):
            assert await asyncio.to_thread(ask, file.read_bytes().decode(), "/whep/ada") == 201, file
        statuses = await asyncio.to_thread(storm)
        assert {201, 422} <= statuses <= {201, 406, 413, 422}, statuses


async def test_a_flood_of_requests_for_nobody(server: StartServer) -> None:
    """Twenty thousand Binding requests for users that there are not, from forty addresses: no answer, no memory, no harm."""
    async with unharmed(server) as (stage, _):
        before = await dropped(stage.ada)

        def flood() -> int:
            asking = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(40)]
            request = corpus("stun")[1]  # without FINGERPRINT, so that any transaction id fits
            for each in asking:
                each.connect(("127.0.0.1", stage.house.media_port))
                each.setblocking(False)
            for at in range(20_000):
                asking[at % 40].send(request[:8] + at.to_bytes(12, "big") + request[20:])
                if at % 200 == 199:
                    let_it_read(stage.house.url)
            came_back = sum(map(answered, asking))
            for each in asking:
                each.close()
            return came_back

        assert await asyncio.to_thread(flood) == 0
        gained = {reason: count - before[reason] for reason, count in (await dropped(stage.ada)).items()}
        assert gained["unknown_user"] > 15_000, gained


async def test_a_flood_of_half_handshakes(server: StartServer) -> None:
    """Three hundred offers of which none goes on, half of them after ICE: bounded, given up in time, and the live ones hear on."""
    async with unharmed(server) as (stage, _):
        half: list[Half] = []
        for at in range(300):
            half.append(Half(stage.ben.http, stage.house.url, {"Authorization": f"Bearer {stage.listen}"}))
            half[-1].greets = at % 2 == 0
            await half[-1].listen("ada")
        async with asyncio.timeout(60):
            while (await stage.ada.status())["listeners"] > 2:
                await asyncio.sleep(0.2)
        for each in half:
            await each.hang_up(say_so=False)


class Half(Softphone):
    """Has itself answered, proves to be there perhaps, begins a handshake, and leaves it at that."""

    greets = True

    async def connect(self, certificate: RTCCertificate) -> None:
        if self.greets:
            said = dict(re.findall(r"a=(ice-ufrag|ice-pwd):(\S+)", self.answer))
            self._remote = (said["ice-ufrag"], said["ice-pwd"])
            address, port = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", self.answer)[0]
            self._socket = await self._open(address, int(port))
            self._ask()
            self._out(corpus("dtls")[0])
