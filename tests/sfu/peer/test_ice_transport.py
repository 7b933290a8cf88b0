"""The selection of candidate pairs; and servers with several, announced and IPv6 addresses, whose clients move without a gap."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator

import pytest
from aioice import stun

from sfu.net.media_port import MediaSockets
from sfu.net.pairs import CandidatePair
from sfu.peer.ice_transport import SILENT_NS, SUCCEEDED_NS, IceTransport
from sfu.wire import ice
from tests.support.people import friends
from tests.support.roaming import Roamer
from tests.support.sound import encode
from tests.support.spoken import sound_of


def offered(answer: str, protocol: str) -> list[str]:
    return re.findall(rf"a=candidate:\S+ 1 {protocol} \d+ (\S+) \d+ typ host", answer)


class Nobody:
    """The receiver that the sockets have for the addresses."""

    def receive_stun(self, *_: object) -> None: ...

    def receive_consent(self, *_: object) -> bool:
        return False

    def receive_dtls(self, *_: object) -> None: ...

    def receive_srtp(self, *_: object) -> None: ...


class Here:
    """One peer's ICE transport on real sockets, with requests from any address at any time."""

    def __init__(self, sockets: MediaSockets) -> None:
        self.ice = IceTransport(sockets, Nobody(), "them")
        self.pairs = {
            name: CandidatePair(sockets.ports[at], ("127.0.0.1", 1000 + ord(name))) for at, name in ((0, "a"), (0, "b"), (0, "c"), (1, "d"))
        }
        self.last: dict[str, bytes] = {}

    def do(self, seconds: float, what: str, name: str = "") -> str:
        """ask, nominate, media (which is followed), reports (which are not), look; replay: x>y, the last request from x again, from y.
        Returns the name of the selected pair."""
        now_ns, at_once = int(seconds * 1e9), what == "media"
        if what == "look":
            self.ice.reselect(now_ns)
        elif what in ("media", "reports"):
            self.ice.heard(self.pairs[name], now_ns, at_once)
        else:
            source, _, name = name.rpartition(">")
            datagram = self.last[source] if source else self._request(what == "nominate")
            self.last[source or name] = datagram
            self.ice.answer(ice.parse_request(datagram), self.pairs[name], now_ns)
        return next(key for key, pair in self.pairs.items() if pair == self.ice.selected)

    def _request(self, nominate: bool) -> bytes:
        ours = self.ice.credentials
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes={"USERNAME": f"{ours.ufrag}:them"})
        if nominate:
            message.attributes["USE-CANDIDATE"] = None
        message.add_message_integrity(ours.password.encode())
        message.add_fingerprint()
        return bytes(message)


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    async with MediaSockets(["127.0.0.1", "127.0.0.2"], 0) as sockets:
        made = Here(sockets)
        yield made
        made.ice.close()


@pytest.mark.parametrize(
    "story",
    [
        pytest.param("0 ask a a, 5 ask a a, 7 ask b a, 8.1 ask b b, 13 ask b b", id="a NAT gives out another port"),
        pytest.param("0 ask a a, 1 reports a a, 4.2 ask b b", id="the first request from there comes late"),
        pytest.param("0 ask a a, 5 ask a a, 7 ask b a, 7.5 look - a, 8.1 look - b", id="nothing more has to come from there"),
        pytest.param(
            "0 ask a a, 5 ask a a, 7 ask b a, 7.1 reports a a, 9 look - a, 11 reports b a, 13.7 look - b", id="there is news from before"
        ),
        pytest.param(
            "0 ask a a, 0.2 ask b a, 0.4 ask a a, 5 ask b a, 6 ask a a, 9 ask b a, 12 ask a a, 15 ask b a", id="two that live, in use"
        ),
        pytest.param("0 ask a a, 3.5 ask b b, 6 ask a b, 8 ask b b, 12 ask a b, 13.9 ask b b", id="two that live, the later in use"),
        pytest.param("0 ask a a, 1 ask b a, 2 nominate b b, 2.1 ask a b, 2.2 nominate a a", id="nominated is at once"),
        pytest.param("0 nominate a a, 2 replay a>b a, 9 replay a>b a, 9.1 look - a, 10 ask a a", id="recorded and sent again"),
        pytest.param("0 nominate a a, 1 nominate b b, 2 replay a>c b, 9 replay b>a b, 9.5 look - b", id="again from where it has been"),
        pytest.param("0 ask a a, 1 ask b a, 1.1 reports a a, 5 reports b a, 7.7 reports b b, 20 media a a", id="reports"),
        pytest.param("0 ask a a, 1 media b b, 1.02 media b b, 1.04 media a a, 1.06 media b b, 2 ask a b", id="media is followed at once"),
        pytest.param("0 ask a a, 1 ask d a, 4.1 ask d d", id="another socket of ours"),
        pytest.param("0 ask a a, 4 ask b b, 5 ask b b, 6 ask a b, 11.4 ask a b, 11.6 ask a a", id="back to the first"),
    ],
)
async def test_where_a_peer_is_sent_to(here: Here, story: str) -> None:
    """Each step has a time in seconds, an event, its source, and the pair that is selected after it."""
    assert (SILENT_NS, SUCCEEDED_NS) == (6_500_000_000, 3_000_000_000)
    for step in story.split(", "):
        seconds, what, name, used = step.split()
        assert here.do(float(seconds), what, name) == used, step


async def test_announced_names_and_several_addresses(server) -> None:
    """Each interface's address, then `rtc.announce`, whose names are resolved; the same over TCP; each socket answers for itself."""
    house = await server({"rtc.host": ["127.0.0.1", "127.0.0.2"], "rtc.announce": ["198.51.100.7", "localhost"]})
    packets = encode(sound_of(2.0))
    async with friends(house.url, "ada", "ben") as (ada, ben):
        async with Roamer(ada.http, house.url) as mic, Roamer(ben.http, house.url) as ear:
            await mic.publish("ada", "?denoise=0&record=0")
            media = ["127.0.0.1", "127.0.0.2", "198.51.100.7"]
            assert offered(mic.answer, "udp") == media
            assert offered(mic.answer, "tcp") == [*media, "127.0.0.1", "198.51.100.7"]  # by the web server's port last
            mic._there = ("127.0.0.2", mic._there[1])
            await mic.move()
            mic.send(0, 0, packets[0])
            await ada.until("ada", live=True)
            await ear.listen("ada", "?variant=original")
            ear._there = ("127.0.0.2", ear._there[1])
            await ear.move(tcp=True)
            await mic.talk(packets[1:], first=1)
            await ear.heard(len(packets) - 1)
            assert [packet.payload for _, packet in ear.received] == packets[1:]


async def test_ipv6_from_end_to_end(server) -> None:
    """HTTP, media over UDP and over TCP, all on ::1."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("no IPv6 here")
    house = await server({"http.host": "::1", "rtc.host": "::1"})
    assert house.url.startswith("http://[::1]:")
    packets = encode(sound_of(2.0))
    async with friends(house.url, "ada", "ben", "cem") as (ada, ben, cem):
        async with ada.phone() as mic, ben.phone() as ear, Roamer(cem.http, house.url) as other:
            other.tcp = True
            await mic.publish("ada", "?denoise=0&record=0")
            assert offered(mic.answer, "udp") == ["::1"] and "c=IN IP6 ::1" in mic.answer
            mic.send(0, 0, packets[0])
            await ada.until("ada", live=True)
            await asyncio.gather(ear.listen("ada", "?variant=original"), other.listen("ada", "?variant=original"))
            await mic.talk(packets[1:], first=1)
            for each in (ear, other):
                await each.heard(len(packets) - 1)
                assert [packet.payload for _, packet in each.received] == packets[1:]


async def test_roaming_and_restarts_leave_no_gap(server) -> None:
    """Broadcaster and listener change address and credentials in turn, while a voice goes on: 250 packets sent, 250 heard, in order."""
    house = await server({"denoise.default": "passthrough"})
    packets = encode(sound_of(5.02))
    async with friends(house.url, "ada", "ben") as (ada, ben):
        async with Roamer(ada.http, house.url) as mic, Roamer(ben.http, house.url) as ear:
            await mic.publish("ada", "?denoise=0&record=0")
            mic.send(0, 0, packets[0])
            await ada.until("ada", live=True)
            broadcast = (await ada.status())["broadcast"]
            await ear.listen("ada", "?variant=original")
            talking = asyncio.create_task(mic.talk(packets[1:], first=1))
            for count, go in enumerate((mic.move(), ear.move(), mic.restart(), ear.restart()), 1):
                await ear.heard(count * 40)
                await go
            assert await ear.restart(tag='"stale"') == 412 and await mic.restart(tag="*") == 200
            await talking
            await ear.heard(len(packets) - 1)
            heard = [packet for _, packet in ear.received]
            assert [packet.payload for packet in heard] == packets[1:]
            assert [packet.sequence for packet in heard] == list(range(heard[0].sequence, heard[0].sequence + len(heard)))
            status = await ada.status()
            assert status["broadcast"] == broadcast and status["loss"]["lost"] == 0
