"""Run by test_address_changes.py in a network of its own: a server whose address changes while people talk and listen."""

import asyncio
import re
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from tests.support.namespaces import ADDRESS, INTERFACE, ip
from tests.support.people import Person, friends
from tests.support.roaming import Roamer
from tests.support.running import Server
from tests.support.spoken import packets_of

LATER, SIXTH = "198.51.100.77", "2001:db8::77"


def offered(answer: str) -> set[str]:
    return set(re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) ", answer))


def roamer(person: Person) -> Roamer:
    return Roamer(person.http, person.url)


async def said(server: Server, line: str, timeout_s: float = 60.0) -> None:
    """Wait for a line of the server's log."""
    async with asyncio.timeout(timeout_s):
        while line not in server.log:
            await asyncio.sleep(0.05)


async def main(folder: Path, models: str, stretch: float) -> None:
    settings = {
        "http.host": "0.0.0.0",
        "rtc.host": ["0.0.0.0", "::"],
        "http.tls": "off",
        "models.path": [models],
        "denoise.default": "passthrough",
    }
    server = await Server(folder, settings, {}, stretch).start()
    try:
        async with AsyncExitStack() as opened:
            ada, ben = await opened.enter_async_context(friends(server.url, "ada", "ben"))
            mouth, ear = await opened.enter_async_context(roamer(ada)), await opened.enter_async_context(roamer(ben))
            await mouth.publish("ada")
            assert offered(mouth.answer) == {ADDRESS, "127.0.0.1"}, mouth.answer  # the connection's own address comes with it
            talking = asyncio.create_task(mouth.talk(packets_of(10.0) * 12))
            await ben.until("ada", live=True)
            await ear.listen("ada", "?variant=original")
            await ear.heard(20)
            await changed(server, mouth, ear)
            await ipv6_comes(server, ben)
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
    finally:
        server.stop()
    assert "Traceback" not in server.log, server.log


async def changed(server: Server, mouth: Roamer, ear: Roamer) -> None:
    """The old address goes, another one comes: answers name that one, and whoever restarts ICE goes on over it."""
    ip("addr", "add", f"{LATER}/24", "dev", INTERFACE)
    await said(server, f"the media port is on {LATER} too")
    ip("addr", "del", f"{ADDRESS}/24", "dev", INTERFACE)
    await said(server, f"the media port is no longer on {ADDRESS}")
    for phone in (mouth, ear):
        phone._there = (ADDRESS, server.media_port)  # it was there first, whichever candidate it had taken
        assert await phone.restart() == 200
        assert phone._there[0] in (LATER, "127.0.0.1"), phone._there
    before = len(ear.received)
    await ear.heard(before + 20)


async def ipv6_comes(server: Server, ben: Person) -> None:
    """An IPv6 address, tentative at first, is bound when the kernel says that nobody else has it."""
    ip("-6", "addr", "add", f"{SIXTH}/64", "dev", INTERFACE)
    await said(server, f"the media port is on {SIXTH} too")
    async with ben.phone() as another:
        await another.listen("ada", "?variant=original")
        assert {LATER, SIXTH} <= offered(another.answer) and ADDRESS not in offered(another.answer), another.answer
        await another.heard(20)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
    print("done")
