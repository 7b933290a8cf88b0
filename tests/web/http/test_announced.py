"""The names of `rtc.announce`: looked up at the start and repeatedly."""

import asyncio
import logging
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from sfu.config.errors import ConfigError
from tests.support.people import signed_up
from web.http import announced
from web.http.announced import Announced
from web.http.known_names import MOST_KEPT, KnownNames


@pytest.mark.parametrize("name", ["no such name", "x" * 300, "x" * 64 + ".example", "", "a..b", "1.2.3", "300.1.1.1", "voice.example:8081"])
def test_what_can_be_no_name_is_one_line(name: str) -> None:
    """A value that is no address and no name is refused without a lookup."""
    with pytest.raises(ConfigError, match=r"^rtc\.announce: .*not a name that leads to one$"):
        Announced([name])


async def test_addresses_and_names_in_their_order() -> None:
    """Addresses are announced as they are, names by their addresses; each address once."""
    async with Announced(["198.51.100.7", "localhost", "2001:db8::1", "127.0.0.1"]) as found:
        assert found.addresses[0] == "198.51.100.7" and found.addresses[-1] == "2001:db8::1"
        assert found.addresses.count("127.0.0.1") == 1 and not found.unknown


async def test_a_name_is_asked_for_again(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A name server that starts later is used then; the log has a line for its absence and one for its answer."""
    asked: list[str] = []

    def answer(name: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(name)
        if len(asked) < 3:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(0, 0, 0, "", ("192.0.2.9", 0)), (0, 0, 0, "", ("192.0.2.9", 0)), (0, 0, 0, "", ("2001:db8::9", 0, 0, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    monkeypatch.setattr(announced, "AGAIN_S", 0.01)
    caplog.set_level(logging.INFO, "web.http.announced")
    async with Announced(["voice.example", "198.51.100.7"]) as found:
        assert found.addresses == ["198.51.100.7"] and found.unknown == ["voice.example"]
        async with asyncio.timeout(20):
            while found.unknown:
                await asyncio.sleep(0.01)
        assert found.addresses == ["192.0.2.9", "2001:db8::9", "198.51.100.7"]
    assert asked == ["voice.example"] * 3
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_name_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known names are looked up again after FRESH_S and at changes of the network; one without an answer keeps its addresses."""
    answers: list[str | None] = ["192.0.2.1", None, "192.0.2.2", "192.0.2.3"]
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def answer(name: str, *_: Any, **__: Any) -> list[Any]:
        loop.call_soon_threadsafe(asked.set)
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if found is None:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(0, 0, 0, "", (found, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    async with Announced(["voice.example"], public_url="https://voice.example:8443") as found, asyncio.timeout(20):
        assert found.addresses == ["192.0.2.1"]
        asked.clear()
        found.ask_again()
        await asked.wait()
        assert found.addresses == ["192.0.2.1"]
        monkeypatch.setattr(announced, "FRESH_S", 0.02)
        monkeypatch.setattr(announced, "AGAIN_S", 0.01)
        found.ask_again()
        while found.addresses != ["192.0.2.3"]:
            await asyncio.sleep(0.01)


async def test_names_of_the_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight names of the owner are stored, the oldest is replaced; loopback addresses are left out; the file restores them."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda name, *_, **__: [(0, 0, 0, "", (f"192.0.2.{len(name)}", 0))])
    file = tmp_path / "names.json"
    async with Announced([], known=KnownNames(file)) as found:
        for length in range(1, MOST_KEPT + 3):
            await found.learn("x" * length)
        assert found.addresses == [f"192.0.2.{length}" for length in range(3, MOST_KEPT + 3)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda name, *_, **__: [(0, 0, 0, "", ("127.0.0.1", 0))])
        await found.learn("here")
        assert not found.of("here")
    monkeypatch.setattr(socket, "getaddrinfo", lambda name, *_, **__: [(0, 0, 0, "", ("192.0.2.200", 0))])
    async with Announced([], known=KnownNames(file)) as again:
        assert again.of("x" * 3) == ("192.0.2.200",)
    file.write_text("{damaged")
    async with Announced([], known=KnownNames(file)) as empty:
        assert empty.addresses == []


async def test_a_name_whose_server_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the start slow answers are waited for, and a name without an answer delays no other."""
    over = threading.Event()

    def answer(name: str, *_: Any, **__: Any) -> list[Any]:
        over.wait(20 if name.startswith("dead") else 0.3 if name.startswith("slow") else 0)
        return [(0, 0, 0, "", (f"192.0.2.{len(name)}", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    monkeypatch.setattr(announced, "START_S", 0.1)
    monkeypatch.setattr(announced, "AGAIN_S", 0.01)
    async with Announced(["dead1.example", "dead2.example", "slow.example", "good"]) as found, asyncio.timeout(20):
        while found.addresses != ["192.0.2.12", "192.0.2.4"]:
            await asyncio.sleep(0.01)
        assert found.unknown == ["dead1.example", "dead2.example"]
        over.set()
        while found.unknown:
            await asyncio.sleep(0.01)


async def test_the_server_starts_before_its_names_are_known(server) -> None:
    """One line in the log; it serves."""
    house = await server({"rtc.announce": ["voice.invalid", "198.51.100.7"]})
    async with signed_up(house.url, "ada") as ada:
        assert not (await ada.status())["live"]
    assert house.log.count("voice.invalid") == 1 and " WARNING " in house.log
