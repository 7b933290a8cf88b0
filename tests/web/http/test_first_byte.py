"""One port for TLS, plain HTTP and ICE over TCP: what a connection's first byte decides."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sfu.config.schema import HttpConfig
from sfu.wire.ice import Address
from tests.web.conftest import PASSWORD, settings
from tests.web.quiet import quiet
from web import connections
from web.app import make_app
from web.connections import Connections
from web.http.first_byte import WireProtocol, first_byte, protocol_of
from web.http.tls import Tls, tls_context
from web.serve import bind, runner_of

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
uvloop.new_event_loop().close()  # libuv's first loop opens a pipe that stays as long as the process


class Porch:
    """A server with or without TLS, and the connections that went to the media plane."""

    def __init__(self, port: int, inside: Connections, trusting: ssl.SSLContext | None) -> None:
        self.port, self.connections, self.trusting = port, inside, trusting
        self.handed: list[tuple[socket.socket, Address]] = []

    async def said(self, words: bytes, *, tls: bool = False) -> bytes:
        """All that the server sends until it closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.trusting if tls else None)
        try:
            writer.write(words)
            async with asyncio.timeout(20):
                return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    async def plain(self, host: str, line: str = "GET /healthz", *more: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to plain HTTP."""
        lines = [f"{line} HTTP/1.1", *([f"Host: {host}"] if host else []), "Connection: close", *more]
        head, _, body = (await self.said("\r\n".join([*lines, "", ""]).encode())).partition(b"\r\n\r\n")
        status, *fields = head.decode().split("\r\n")
        return int(status.split()[1]), {name.lower(): value for name, _, value in (each.partition(": ") for each in fields)}, body

    def dropped(self) -> dict[str, float]:
        counts = {sample.labels["reason"]: sample.value for sample in self.connections.samples() if sample.labels}
        return {reason: count for reason, count in counts.items() if count}


@asynccontextmanager
async def porch(folder: Path, *, tls: bool = True, context: Tls | None = None, **http: Any) -> AsyncIterator[Porch]:
    """context: instead of one with a self-signed certificate."""
    trusting: ssl.SSLContext | None = None
    if context is not None:
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    elif tls:
        (folder / "keys").mkdir(parents=True)
        context = tls_context(HttpConfig(host="127.0.0.1", tls="self-signed"), folder)
        trusting = ssl.create_default_context(cafile=folder / "keys" / "self-signed.pem")
    config = settings(folder / "house", **http)
    runner = runner_of(make_app(config, media=quiet))
    await runner.setup()
    try:
        listening = bind(HttpConfig(host="127.0.0.1", port=0))
        assert runner.server is not None
        handed: list[tuple[socket.socket, Address]] = []
        is_proxy = config.http.trusted_proxies.__contains__
        inside = Connections(runner.server, listening, context, is_proxy, lambda *each: handed.append(each))
        async with inside:
            here = Porch(listening[0].getsockname()[1], inside, trusting)
            here.handed = handed
            yield here
        for connection, _ in handed:
            connection.close()
    finally:
        await runner.cleanup()


def test_what_a_first_byte_means() -> None:
    """A TLS handshake record, a length below 512, a letter or a line's end; all else is unknown."""
    known = {0x16: WireProtocol.TLS, 0: WireProtocol.MEDIA, 1: WireProtocol.MEDIA, 10: WireProtocol.HTTP, 13: WireProtocol.HTTP}
    for first in range(256):
        letter = ord("a") <= first <= ord("z") or ord("A") <= first <= ord("Z")
        assert protocol_of(first) is known.get(first, WireProtocol.HTTP if letter else WireProtocol.UNKNOWN), first


async def looked_at() -> None:
    """The byte stays in the socket; end, timeout and error differ; no reader is left behind."""
    for words, close in ((b"Go", False), (b"", True), (b"", False)):
        here, there = socket.socketpair()
        here.setblocking(False)
        with here, there:
            asking = asyncio.create_task(first_byte(here, 0.2 if not (words or close) else 20))
            await asyncio.sleep(0.01)
            there.send(words)
            if close:
                there.close()
            if words:
                assert await asking == ord("G") and here.recv(10) == b"Go"
            elif close:
                assert await asking is None
            else:
                with pytest.raises(TimeoutError):
                    await asking
            assert not asyncio.get_running_loop().remove_reader(here.fileno())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_first_byte_is_looked_at(loop: str) -> None:
    """Runs on asyncio's loop and on uvloop."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(looked_at())


async def told_apart(folder: Path) -> None:
    async with porch(folder) as here:
        ask = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        assert (await here.said(ask, tls=True)).startswith(b"HTTP/1.1 200")
        assert (await here.said(ask)).startswith(b"HTTP/1.1 200"), "plain, on this machine"
        assert (await here.said(b"\r\n" + ask)).startswith(b"HTTP/1.1 200"), "an empty line before"
        assert (await here.said(ask.replace(b"127.0.0.1", b"voice.example"))).startswith(b"HTTP/1.1 308")
        assert await here.said(b"\x80 nonsense") == b"" and here.dropped() == {"unknown": 1}
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(b"\x00\x02hi")
        async with asyncio.timeout(20):
            while not here.handed:
                await asyncio.sleep(0.01)
        [(connection, address)] = here.handed
        assert address == writer.get_extra_info("sockname") and connection.recv(10) == b"\x00\x02hi", "nothing has been read"
        assert len(here.connections) == 0
        await asyncio.get_running_loop().sock_sendall(connection, b"yes")
        assert await reader.readexactly(3) == b"yes"
        writer.close()


@pytest.mark.parametrize("loop", LOOPS)
def test_one_port_for_all(tmp_path: Path, loop: str) -> None:
    """TLS, plain HTTP and ICE over TCP are told apart on both loops; other bytes are closed and counted."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(told_apart(tmp_path))


async def test_who_takes_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence and an unfinished handshake end at the deadline and are counted; a client that just closes is not; a late byte is served."""
    monkeypatch.setattr(connections, "FIRST_BYTE_S", 1.0)
    monkeypatch.setattr(connections, "HANDSHAKE_S", 1.0)
    async with porch(tmp_path) as here:
        here.connections.serve_with(here.connections._handshake["ssl"])  # with the handshake's new time
        silent, cut = await asyncio.gather(here.said(b""), here.said(b"\x16\x03\x01\x02\x00\x01\x00"))
        assert (silent, cut) == (b"", b"") and here.dropped() == {"handshake": 2}
        _, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        for part in (b"G", b"ET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"):
            await asyncio.sleep(0.3)
            writer.write(part)
        async with asyncio.timeout(20):
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        assert here.dropped() == {"handshake": 2}
        async with asyncio.timeout(20):
            while len(here.connections):
                await asyncio.sleep(0.01)


async def test_tls_where_it_is_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is closed and counted, and the log says once what is wrong; ICE over TCP is taken there too."""
    async with porch(tmp_path, tls=False) as here:
        assert [await here.said(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03") for _ in range(2)] == [b"", b""]
        assert here.dropped() == {"tls": 2} and caplog.text.count("http.tls is off") == 1
        assert (await here.plain("voice.example"))[0] == 200
        _, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(b"\x01")
        async with asyncio.timeout(20):
            while not here.handed:
                await asyncio.sleep(0.01)
        writer.close()


HOSTS = ("voice.example:8443", "192.0.2.1", "[2001:db8::1]:8443", "localhost.evil.example", "a_b.example.")
LINES = ("GET /a%20b?c=d&e=%2F", "POST /api/login", "PUT //evil.example/x", "OPTIONS *", "HEAD /", "PROPFIND /l/x")


async def test_plain_http_is_sent_to_https(tmp_path: Path) -> None:
    """The redirect keeps Host and path, is not cached, and closes the connection."""
    async with porch(tmp_path) as here:
        for host, line in product(HOSTS, LINES):
            status, headers, body = await here.plain(host, line)
            path = line.split()[1]
            assert (status, headers["location"]) == (308, f"https://{host}{path if path.startswith('/') else '/'}"), line
            assert len(body) < 100 and headers["connection"] == "close" and headers["cache-control"] == "no-store"
            assert "set-cookie" not in headers and "strict-transport-security" not in headers
        status, headers, _ = await here.plain("voice.example", "GET http://evil.example/x?y")
        assert (status, headers["location"]) == (308, "https://voice.example/x?y"), "a proxy's form of the line"
        status, headers, _ = await here.plain("voice.example", "GET /ws/presence", "Upgrade: websocket", "Connection: Upgrade")
        assert (status, headers["location"]) == (308, "https://voice.example/ws/presence")


async def test_no_redirect_to_rubbish(tmp_path: Path) -> None:
    """A missing Host, or one that is no name and no address, gets a problem document."""
    async with porch(tmp_path) as here:
        for host in ("", " ", "a b", "a@evil.example", "evil.example/x", "[::1", "voice.example:x", "a,b", "<b>", "[fe80::1%a]"):
            status, headers, body = await here.plain(host)
            assert status == 400 and headers["content-type"].startswith("application/problem+json") and "location" not in headers, host
            assert json.loads(body)["code"] == "bad_request"


async def test_the_site_itself_on_this_machine(tmp_path: Path) -> None:
    """On this machine one can sign in over plain HTTP, with its own cookie and Origin; no HSTS is sent."""
    async with porch(tmp_path) as here:
        for host in ("localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "[::ffff:127.0.0.1]", "me.localhost"):
            body = json.dumps({"username": "".join(filter(str.isalnum, host)), "password": PASSWORD})
            more = (f"Origin: http://{host}", "Content-Type: application/json", f"Content-Length: {len(body)}", "", body)
            status, headers, _ = await here.plain(host, "POST /api/register", *more)
            assert status == 201 and headers["set-cookie"].startswith("hushcast=") and "Secure" not in headers["set-cookie"]
            assert "strict-transport-security" not in headers
            secret = headers["set-cookie"].split(";")[0]
            assert (await here.plain(host, "GET /api/me", f"Cookie: {secret}"))[0] == 200
            foreign = (f"Origin: https://{host}", f"Cookie: {secret}")
            assert (await here.plain(host, "POST /api/logout", *foreign))[0] == 403


async def test_a_proxy_on_this_machine_gets_no_plain_site(tmp_path: Path) -> None:
    """A proxy's request is never from this machine. A trusted proxy is told to use https, for a redirect would loop."""
    marks = ("X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: https", "Forwarded: for=::1", "Via: 1.1 a")
    async with porch(tmp_path / "a") as here, porch(tmp_path / "b", trusted_proxies=("127.0.0.1",)) as trusting:
        for mark in marks:
            assert (await here.plain("localhost:8080", "GET /", mark))[0] == 308
            status, _, body = await trusting.plain("localhost:8080", "GET /", mark)
            assert status == 400 and "proxy" in json.loads(body)["detail"]


async def test_a_login_is_one_of_its_scheme(tmp_path: Path) -> None:
    """The cookies of HTTP and HTTPS are separate, both ways."""
    async with porch(tmp_path) as here:
        site, body = f"127.0.0.1:{here.port}", json.dumps({"username": "alice", "password": PASSWORD})
        lines = ["POST /api/register HTTP/1.1", f"Host: {site}", f"Origin: https://{site}", "Content-Type: application/json"]
        words = "\r\n".join([*lines, f"Content-Length: {len(body)}", "Connection: close", "", body]).encode()
        head = (await here.said(words, tls=True)).decode()
        [cookie] = [line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("set-cookie")]
        assert cookie.startswith("__Host-hushcast=") and "Secure" in cookie and "Strict-Transport" not in head
        secret = cookie.split(";")[0]
        ask = f"GET /api/me HTTP/1.1\r\nHost: {site}\r\nConnection: close\r\nCookie: "
        assert b" 200 " in (await here.said(f"{ask}{secret}\r\n\r\n".encode(), tls=True)).splitlines()[0]
        assert b" 401 " in (await here.said(f"{ask}{secret.removeprefix('__Host-')}\r\n\r\n".encode(), tls=True)).splitlines()[0]
        assert (await here.plain(site, "GET /api/me", f"Cookie: {secret}"))[0] == 401


async def test_strangers_are_bounded_before_they_say_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection before its first byte counts as a stranger; the oldest is ended and frees its descriptor."""
    monkeypatch.setattr(connections, "most_connections", lambda: 8)
    monkeypatch.setattr(connections, "STRANGERS_SHARE", 1 / 2)
    monkeypatch.setattr(connections, "ENDED_AT_ONCE", 1)
    async with porch(tmp_path) as here:
        mute = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(6)]
        async with asyncio.timeout(20):
            assert await asyncio.gather(*(reader.read() for reader, _ in mute[:2])) == [b"", b""]
            assert (await here.plain("localhost"))[0] == 200
        assert here.dropped() == {"stranger": 3}
        for _, writer in mute:
            writer.close()


def of_an_authority(folder: Path) -> HttpConfig:
    """Settings with a certificate that an authority has signed."""
    authority, key, now = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("voice.example", "an authority")]
    builder = x509.CertificateBuilder().subject_name(names[0]).issuer_name(names[1]).public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=90))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "cert.pem").write_bytes(builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(private)
    return HttpConfig(tls="files", cert=folder / "cert.pem", key=folder / "key.pem")


async def test_only_https_where_it_is_vouched_for(tmp_path: Path) -> None:
    """HSTS is sent over TLS with a certificate of an authority; not for localhost, and not with a self-signed one."""
    ask = "GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n"
    async with porch(tmp_path / "files", context=tls_context(of_an_authority(tmp_path), tmp_path)) as here:
        head = await here.said(ask.format("voice.example").encode(), tls=True)
        assert b" 200 " in head.splitlines()[0] and b"Strict-Transport-Security: max-age=15552000\r\n" in head
        for host, tls in (("localhost:8080", True), ("127.0.0.1", True), ("localhost", False), ("voice.example", False)):
            assert b"Strict-Transport" not in await here.said(ask.format(host).encode(), tls=tls), host
    async with porch(tmp_path / "own") as here:
        head = await here.said(ask.format("voice.example").encode(), tls=True)
        assert b" 200 " in head.splitlines()[0] and b"Strict-Transport" not in head
