"""The real app with a real database over real sockets; only the media plane is left out (test_mic_to_ear.py has it)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, CookieJar
from aiohttp.test_utils import TestServer

from sfu.config.schema import AccountsConfig, Config, DatabaseConfig, HttpConfig, ModelsConfig, RecordingConfig, RtcConfig, StorageConfig
from tests.web.interface import ComparedSocket, compare
from tests.web.quiet import quiet
from web.app import make_app

PASSWORD = "correct horse battery"


class Guest:
    """A browser: cookies, and the Origin header. Each answer and each message is compared with the interface's documents."""

    def __init__(self, server: TestServer, session: ClientSession) -> None:
        self.server, self.session = server, session
        self.origin = str(server.make_url("")).rstrip("/")

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """Status and parsed answer."""
        headers = {"Origin": self.origin} | more.pop("headers", {})
        if body is not None:
            more["json"] = body
        async with self.session.request(method, self.server.make_url(path), headers=headers, **more) as response:
            read = await response.read()
            compare(method, response.url.path, response.status, response.headers, read)
            return response.status, await response.json(content_type=None) if read else None

    async def raw(self, method: str, path: str, **more: Any) -> ClientResponse:
        """The whole answer, read."""
        headers = {"Origin": self.origin} | more.pop("headers", {})
        response = await self.session.request(method, self.server.make_url(path), headers=headers, **more)
        compare(method, response.url.path, response.status, response.headers, await response.read())
        return response

    async def register(self, username: str, **more: Any) -> "Guest":
        status, answer = await self.ask("POST", "/api/register", {"username": username, "password": PASSWORD, **more})
        assert status == 201, answer
        return self

    async def socket(self, path: str) -> Any:
        """An open WebSocket."""
        return await self.session.ws_connect(self.server.make_url(path), headers={"Origin": self.origin})


class House:
    """A running server and the guests' browsers."""

    def __init__(self, server: TestServer) -> None:
        self.server = server
        self._sessions: list[ClientSession] = []

    @property
    def app(self) -> Any:
        return self.server.app

    def guest(self) -> Guest:
        self._sessions.append(ClientSession(cookie_jar=CookieJar(unsafe=True), ws_response_class=ComparedSocket))
        return Guest(self.server, self._sessions[-1])

    async def user(self, username: str, **more: Any) -> Guest:
        return await self.guest().register(username, **more)

    async def friends(self, one: str, other: str) -> tuple[Guest, Guest]:
        """Two new accounts, friends already."""
        first, second = await self.user(one), await self.user(other)
        await first.ask("POST", "/api/friend-request/send", {"username": other})
        assert (await second.ask("POST", "/api/friend-request/send", {"username": one}))[1]["status"] == "accepted"
        return first, second

    async def close(self) -> None:
        for session in self._sessions:
            await session.close()
        await self.server.close()


OpenHouse = Callable[..., Awaitable[House]]


def settings(path: Path, registration: str = "open", recording: RecordingConfig | None = None, database: str = "", **http: Any) -> Config:
    return Config(
        database=DatabaseConfig(url=database),
        http=HttpConfig(host="127.0.0.1", port=0, **http),
        rtc=RtcConfig(host=("127.0.0.1",), port=0),
        models=ModelsConfig(path=(), download=False),
        storage=StorageConfig(path=path),
        accounts=AccountsConfig(registration=registration),
        recording=recording or RecordingConfig(),
    )


@pytest.fixture
def database_of() -> Callable[[Path], str]:
    """`database.url` of the house in a folder: SQLite there. `tests/web/on_both.py` has another."""
    return lambda _: ""


@pytest.fixture
async def open_house(tmp_path: Path, database_of: Callable[[Path], str]) -> AsyncIterator[OpenHouse]:
    houses: list[House] = []

    async def start(folder: str = "", **more: Any) -> House:
        path = tmp_path / (folder or f"house{len(houses)}")
        server = TestServer(make_app(settings(path, database=database_of(path), **more), media=quiet))
        await server.start_server()
        houses.append(House(server))
        return houses[-1]

    yield start
    for house in houses:
        await house.close()


@pytest.fixture
async def house(open_house: OpenHouse) -> House:
    return await open_house()


@pytest.fixture
async def live_house(tmp_path: Path, database_of: Callable[[Path], str]) -> AsyncIterator[House]:
    """With its media plane."""
    server = TestServer(make_app(settings(tmp_path / "house", database=database_of(tmp_path / "house"))))
    await server.start_server()
    opened = House(server)
    yield opened
    await opened.close()
