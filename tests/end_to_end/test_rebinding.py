"""A NAT that gives out another port in mid-call: who listens hears on by itself, and who talks is heard without a gap."""

import asyncio
from itertools import cycle

import pytest

from sfu.wire import rtcp
from tests.support.lossy import Lossy
from tests.support.people import friends
from tests.support.softphone import Softphone
from tests.support.sound import encode
from tests.support.spoken import sound_of

pytestmark = pytest.mark.real_time(pair=True)


def behind(relay: Lossy, phone: Softphone) -> Softphone:
    """It nominates nothing and is seen from the relay's ports."""
    phone.through, phone.nominates = relay.port, False
    return phone


async def test_a_listener_hears_again(server, stretch: float) -> None:
    """What is sent to the old port is lost for some seconds; then sound comes to the new one, within the same WHEP resource."""
    house, packets, enough = await server({"denoise.default": "passthrough"}), encode(sound_of(2.0)), asyncio.Event()
    async with friends(house.url, "ada", "ben") as (ada, ben), Lossy(house.media_port) as relay:
        async with ada.phone() as mic, behind(relay, ben.phone()) as ear:
            await mic.publish("ada", "?denoise=0&record=0")
            mic.send(0, 0, packets[0])
            await ada.until("ada", live=True)
            await ear.listen("ada", "?variant=original")
            talking = asyncio.create_task(mic.talk(cycle(packets), first=1, until=enough))
            await ear.heard(100)
            relay.rebind()
            before = len(ear.received)
            await ear.heard(before + 100, 40 * stretch)
            enough.set()
            await talking
            (_, last), (_, first) = ear.received[before - 1 : before + 1]
            assert first.sequence - last.sequence & 0xFFFF > 50  # it was really away
            assert (await ada.status())["listeners"] == 1 and await ear.delete() == 200


async def test_a_broadcaster_is_heard_on_and_answered(server, stretch: float) -> None:
    """Nothing of what it says is lost or comes late, and reports reach it at its new port."""
    house, packets, enough = await server({"denoise.default": "passthrough"}), encode(sound_of(2.0)), asyncio.Event()
    async with friends(house.url, "ada", "ben") as (ada, ben), Lossy(house.media_port) as relay:
        async with behind(relay, ada.phone()) as mic, ben.phone() as ear:
            await mic.publish("ada", "?denoise=0&record=0")
            mic.send(0, 0, packets[0])
            live = await ada.until("ada", live=True)
            await ear.listen("ada", "?variant=original")
            talking = asyncio.create_task(mic.talk(cycle(packets), first=1, until=enough))
            for _ in range(3):
                await ear.heard(len(ear.received) + 60)
                relay.rebind()
                told = len(mic.rtcp)
                async with asyncio.timeout(20 * stretch):
                    while not any(isinstance(each, rtcp.ReceiverReport) for each in mic.rtcp[told:]):
                        await asyncio.sleep(0.02)
            enough.set()
            said = await talking
            await ear.heard(said)
            status = await ada.status()
            assert status["broadcast"] == live["broadcast"] and status["state"] == "live" and status["loss"]["lost"] == 0
            assert [packet.payload for _, packet in ear.received] == [packets[n % len(packets)] for n in range(said)]
