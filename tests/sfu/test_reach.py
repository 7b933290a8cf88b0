"""By which addresses a client may find us: several, announced ones, IPv6; and going on from another one without a gap."""

import asyncio
import re
import socket

import pytest

from tests.people import friends
from tests.roaming import Roamer
from tests.sound import encode
from tests.spoken import sound_of


def offered(answer: str, protocol: str) -> list[str]:
    return re.findall(rf"a=candidate:\S+ 1 {protocol} \d+ (\S+) \d+ typ host", answer)


async def test_announced_names_and_several_addresses(server) -> None:
    """Each interface's address, then `rtc.announce`, whose names are resolved; the same over TCP; each socket answers for itself."""
    house = await server({"rtc.host": ["127.0.0.1", "127.0.0.2"], "rtc.announce": ["198.51.100.7", "localhost"]})
    packets = encode(sound_of(2.0))
    async with friends(house.url, "ada", "ben") as (ada, ben):
        async with Roamer(ada.http, house.url) as mic, Roamer(ben.http, house.url) as ear:
            await mic.publish("ada", "?denoise=0&record=0")
            assert offered(mic.answer, "udp") == offered(mic.answer, "tcp") == ["127.0.0.1", "127.0.0.2", "198.51.100.7"]
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
