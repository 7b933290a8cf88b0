"""People for tests and benchmarks: signed in over HTTP, friends with each other, as browsers do it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp

from tests.support.softphone import Softphone

PASSWORD = "correct horse battery"


class Person:
    """One signed-in user of a running server. Owns the HTTP session."""

    def __init__(self, name: str, url: str, http: aiohttp.ClientSession) -> None:
        self.name, self.url, self.http = name, url.rstrip("/"), http

    async def call(self, method: str, path: str, body: object = None, *, status: int | None = None) -> Any:
        """One request with the site's Origin; the JSON answer (None where there is no body)."""
        headers = {"Origin": self.url}
        async with self.http.request(method, self.url + path, json=body, headers=headers) as response:
            text = await response.text()
            assert response.status == status if status else response.status < 400, (method, path, response.status, text)
            return await response.json() if text and "json" in response.content_type else None

    def phone(self) -> Softphone:
        return Softphone(self.http, self.url)

    async def status(self, of: str | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = await self.call("GET", f"/api/stream/status/{of or self.name}")
        return answer

    async def until(self, of: str, timeout_s: float = 30.0, **wanted: object) -> dict[str, Any]:
        """Wait until the status of `of` has all these values; `denoise_state` looks into its denoise object."""
        async with asyncio.timeout(timeout_s):
            while True:
                status = await self.status(of)
                seen = {**status, **{f"denoise_{key}": value for key, value in status["denoise"].items()}}
                if all(seen[key] == value for key, value in wanted.items()):
                    return status
                await asyncio.sleep(0.02)


@asynccontextmanager
async def signed_up(url: str, name: str) -> AsyncIterator[Person]:
    """Register and stay signed in."""
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address, not of a name
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        person = Person(name, url, http)
        await person.call("POST", "/api/register", {"username": name, "password": PASSWORD}, status=201)
        yield person


async def befriend(one: Person, other: Person) -> None:
    """Asked and accepted."""
    asked = await one.call("POST", "/api/friend-request/send", {"username": other.name}, status=201)
    await other.call("POST", f"/api/friend-request/{asked['id']}/respond", {"action": "accept"}, status=200)


@asynccontextmanager
async def friends(url: str, *names: str) -> AsyncIterator[list[Person]]:
    """Several people; the first is everybody's friend."""
    async with AsyncExitStack() as opened:
        people = [await opened.enter_async_context(signed_up(url, name)) for name in names]
        for other in people[1:]:
            await befriend(people[0], other)
        yield people
