"""Run by test_address_changes.py in a network of its own, with a name server of its own: which names the server asks for, and when."""

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
from aiortc import RTCCertificate

from tests.support.people import PASSWORD, Person, friends
from tests.support.running import Server
from tests.support.softphone import offer
from tests.web.name_server import NameServer

PUBLIC, MOVED, OWNERS = "203.0.113.5", "203.0.113.6", "198.51.100.9"


async def offered(person: Person, host: str) -> set[str]:
    """The addresses in an answer to somebody who reached the server by that Host."""
    port = person.url.rsplit(":", 1)[1]
    site = f"{host}:{port}"
    body = offer(RTCCertificate.generateCertificate(), "sendonly", 1, ufrag="abcd", password="x" * 24)
    headers = {"Content-Type": "application/sdp", "Host": site, "Origin": f"http://{site}"}
    async with person.http.post(f"{person.url}/whip/{person.name}", data=body, headers=headers) as response:
        answer = await response.text()
        assert response.status == 201, answer
    async with person.http.delete(person.url + response.headers["Location"], headers={"Origin": person.url}) as gone:
        assert gone.status == 200
    return set(re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) ", answer))


async def until(true: Callable[[set[str]], bool], person: Person, host: str) -> None:
    async with asyncio.timeout(120):
        while not true(await offered(person, host)):
            await asyncio.sleep(0.1)


async def main(folder: Path, models: str, stretch: float) -> None:
    async with NameServer() as names:
        names.records |= {"announced.example": PUBLIC, "owners.example": OWNERS, "internal.example": "10.0.0.1"}
        settings = {
            "http.host": "0.0.0.0",
            "http.tls": "off",
            "rtc.host": "0.0.0.0",
            "rtc.announce": ["announced.example"],
            "models.path": [models],
            "denoise.default": "passthrough",
        }
        server = Server(folder, settings, {}, stretch)
        server.module = "tests.web.quick_names"
        await server.start()
        try:
            async with friends(server.url, "ada", "ben") as (ada, ben):
                await hosts(names, ada, ben)
                names.records["announced.example"] = MOVED
                await until(lambda found: MOVED in found and PUBLIC not in found, ben, "owners.example")
            server.kill()
            await server.start()
            async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
                ben = Person("ben", server.url, http)
                await ben.call("POST", "/api/login", {"username": "ben", "password": PASSWORD}, status=200)
                await until(lambda found: OWNERS in found, ben, "owners.example")
        finally:
            server.stop()


async def hosts(names: NameServer, ada: Person, ben: Person) -> None:
    """ada, the first account, made on this machine, is the owner."""
    assert PUBLIC in await offered(ben, "internal.example") and names.asked == {"announced.example"}, names.asked
    assert "198.51.100.200" in await offered(ben, "198.51.100.200") and names.asked == {"announced.example"}
    assert OWNERS not in await offered(ben, "owners.example") and names.asked == {"announced.example"}
    assert OWNERS in await offered(ada, "owners.example") and "owners.example" in names.asked
    assert OWNERS in await offered(ben, "OWNERS.example.")
    assert not {name for name in names.asked if "internal" in name}


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
    print("done")
