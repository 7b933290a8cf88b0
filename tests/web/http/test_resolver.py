"""DNS lookups, and the spelling of names."""

import asyncio
import socket
import threading
from typing import Any

import pytest

from web.http.resolver import AT_ONCE, Resolver
from web.live.negotiation import host_name


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("192.0.2.7", ("192.0.2.7",)),
        ("2001:db8::1", ("2001:db8::1",)),
        ("", ()),
        ("nowhere.invalid", ()),
        ("a" * 300, ()),
        ("..", ()),
    ],
)
async def test_what_a_name_leads_to(name: str, addresses: tuple[str, ...]) -> None:
    """An address is returned, a name is looked up, other text has no addresses."""
    assert await Resolver().addresses(name) == addresses


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("192.0.2.7:8080", "192.0.2.7"),
        ("[2001:db8::1]:8080", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("Voice.Example.:443", "voice.example"),
        ("voice.example", "voice.example"),
        ("", ""),
    ],
)
def test_a_host_header_without_its_port(host: str, name: str) -> None:
    """A name as it is compared, an address as it is read."""
    assert host_name(host) == name


async def test_a_name_server_that_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow name server delays nobody beyond the timeout and gets few threads, which are free once it answers."""
    answering, asked = threading.Event(), []

    def slow(name: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(name)
        answering.wait(60)
        return [(0, 0, 0, "", ("192.0.2.9", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    names = Resolver(timeout_s=0.05)
    assert await asyncio.gather(*(names.addresses(f"slow{number}") for number in range(10))) == [()] * 10
    async with asyncio.timeout(20):
        while len(asked) < AT_ONCE:  # as on a machine that is slow to start a thread
            await asyncio.sleep(0)
    assert len(asked) == AT_ONCE
    answering.set()
    async with asyncio.timeout(20):
        while await names.addresses("quick") != ("192.0.2.9",):
            await asyncio.sleep(0)
