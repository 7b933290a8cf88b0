"""The port of plain HTTP that an authority asks, and the same question at the port of https."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sfu.config.schema import HttpConfig
from tests.support.running import free_port
from tests.web.http.test_first_byte import porch
from web.acme import http_port
from web.acme.http_port import HttpPort, opened
from web.http.challenges import PATH, Challenges

SETTINGS = HttpConfig(host="127.0.0.1", port=8443, tls="acme", names=("Voice.example.org", "live.example.org"))


@asynccontextmanager
async def open_port(http: HttpConfig = SETTINGS) -> AsyncIterator[tuple[int, Challenges]]:
    shown, listening = Challenges(), [socket.create_server(("127.0.0.1", 0))]
    async with HttpPort(http, listening, shown, lambda _: False):
        yield listening[0].getsockname()[1], shown


async def asked(port: int, path: str, host: str, more: str = "") -> tuple[int, str, str]:
    """Status, Location and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n".encode())
    async with asyncio.timeout(30):
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    location = [line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("location:")]
    return int(head.split()[1]), location[0] if location else "", body


async def test_what_is_looked_for_is_found() -> None:
    """While it is shown, and nothing else under that path."""
    async with open_port() as (port, shown):
        shown.show(f"{PATH}abc", "abc.thumb")
        assert await asked(port, f"{PATH}abc", "voice.example.org") == (200, "", "abc.thumb")
        assert (await asked(port, f"{PATH}abcd", "voice.example.org"))[0] == 404
        shown.clear()
        assert (await asked(port, f"{PATH}abc", "voice.example.org"))[0] == 404


@pytest.mark.parametrize(
    ("host", "path", "location"),
    [
        ("live.example.org", "/user/ada?x=%20y", "https://live.example.org:8443/user/ada?x=%20y"),
        ("LIVE.example.org:80", "/", "https://live.example.org:8443/"),
        ("evil.example", "/a", "https://voice.example.org:8443/a"),
        ("evil.example@live.example.org", "/", "https://voice.example.org:8443/"),
        ("", "//evil.example/", "https://voice.example.org:8443//evil.example/"),
    ],
)
async def test_all_others_are_led_to_https(host: str, path: str, location: str) -> None:
    """To the name that they asked for where it is ours, and to nobody else's."""
    async with open_port() as (port, _):
        status, where, _ = await asked(port, path, host)
        assert (status, where) == (308, location)


async def test_where_the_public_url_says() -> None:
    http = HttpConfig(port=8443, tls="acme", public_url="https://voice.example.org")
    async with open_port(http) as (port, _):
        assert (await asked(port, "/", "voice.example.org"))[1] == "https://voice.example.org/"


@pytest.mark.tolerates("errors")  # the app counts these instead of logging them, and there is none here
async def test_rubbish_and_crowds(monkeypatch: pytest.MonkeyPatch) -> None:
    """No HTTP is a 400; those who connect and say nothing give way to others."""
    monkeypatch.setattr(http_port, "MOST", 4)
    async with open_port() as (port, _):
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(9)]
        assert (await asked(port, "/", "voice.example.org"))[0] == 308
        assert (await asked(port, "/\x01", "voice.example.org"))[0] == 400
        for _, writer in silent:
            writer.transport.abort()


async def test_tls_is_told_where_it_belongs(caplog: pytest.LogCaptureFixture) -> None:
    """The log names this port, and not a setting that is as it should be."""
    async with open_port() as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01")
        async with asyncio.timeout(30):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.transport.abort()
    assert "TLS at http.acme_port" in caplog.text and "http.tls is off" not in caplog.text


def test_a_port_that_is_taken() -> None:
    """It raises, and no other socket stays open."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError):
        opened(HttpConfig(host="127.0.0.1", acme_port=taken.getsockname()[1]))
    sockets = opened(HttpConfig(host="0.0.0.0", acme_port=free_port()))
    assert len(sockets) == 1
    sockets[0].close()


async def test_the_port_of_https_answers_too(tmp_path: Path) -> None:
    """A router may lead port 80 there."""
    async with porch(tmp_path) as here:
        here.connections.challenges.show(f"{PATH}abc", "abc.thumb")
        assert (await here.plain("voice.example.org", f"GET {PATH}abc"))[::2] == (200, b"abc.thumb")
        here.connections.challenges.clear()
        assert (await here.plain("voice.example.org", f"GET {PATH}abc"))[0] == 308
