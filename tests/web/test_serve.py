"""The server process: addresses, output, exit status."""

import asyncio
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from db import users
from db.connection import Database
from sfu.config.schema import HttpConfig
from tests.conftest import StartServer
from tests.support.running import ROOT, free_port
from web import serve
from web.http.addresses import served_at
from web.serve import AWAY, WRONG, bind, runner_of, say_where


async def test_it_listens_where_it_says(server: StartServer) -> None:
    """Port 0 takes a free one, and the line that begins with listening names it."""
    running = await server()
    async with aiohttp.ClientSession() as client, client.get(f"{running.url}/healthz") as answer:
        assert answer.status == 200
    assert running.url.startswith("http://127.0.0.1:")
    assert f"{running.url}/  microphone works\n" in running.log


async def test_https_with_its_own_certificate(server: StartServer) -> None:
    """A server that speaks HTTPS by itself has a certificate that names it, and knows that it does."""
    running = await server({"http.tls": "self-signed"})
    assert running.url.startswith("https://127.0.0.1:")
    trusting = ssl.create_default_context(cafile=running.storage / "keys" / "self-signed.pem")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as client:
        async with client.get(f"{running.url}/metrics") as answer:
            assert answer.status == 200, "it is asked from this machine"
        account = {"username": "alice", "password": "correct horse battery"}
        async with client.post(f"{running.url}/api/register", json=account, headers={"Origin": running.url}) as answer:
            assert answer.status == 201 and "__Host-hushcast" in answer.cookies


async def test_it_starts_again_on_the_same_port(server: StartServer) -> None:
    """After SIGTERM, and after kill -9, the next start takes the port and the storage over."""
    running = await server()
    url = running.url
    running.stop()
    await running.start()
    running.kill()
    await running.start()
    assert running.url == url


async def test_two_servers_do_not_share_a_folder(server: StartServer) -> None:
    """A second server on the same storage says so in one line and leaves with 2."""
    running = await server()
    command = [sys.executable, "-m", "web.serve", "--config", str(running.folder / "config.toml")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HUSHCAST_HTTP_PORT": "0", "HUSHCAST_RTC_PORT": "0"}
    second = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, env=environment, timeout=60)
    assert second.returncode == 2
    assert second.stderr.strip().splitlines() == [f"hushcast: storage.path: another server is running on {running.storage}"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it(server: StartServer, number: signal.Signals) -> None:
    """SIGTERM and SIGINT close everything and leave with 0, even while a client holds a connection open."""
    running = await server()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(running.url.rsplit(":", 1)[1]))
    os.kill(running.pid, number)
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    running.stop()


def refused(tmp_path: Path, text: str, status: int = WRONG) -> str:
    """The server's error line for these settings; it exits with this status."""
    file = tmp_path / "config.toml"
    file.write_text(text)
    command = [sys.executable, "-m", "web.serve", "--config", file]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert said.returncode == status, said.stderr
    assert said.stdout == ""
    return said.stderr


def test_a_used_port_is_one_line(tmp_path: Path) -> None:
    """The port of another program is named."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refused(tmp_path, f'[http]\nhost = "127.0.0.1"\nport = {port}')
    assert said == f"hushcast: http.port: {port} on 127.0.0.1 is in use by another program; choose another, or 0 for a free one\n"


def test_a_used_media_port_is_one_line(tmp_path: Path) -> None:
    """A taken UDP port is named too, and everything opened before is closed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        doors = f'[http]\nhost = "127.0.0.1"\nport = 0\n[rtc]\nhost = "127.0.0.1"\nport = {port}\n'
        said = refused(tmp_path, doors + "[models]\ndownload = false")
    [line] = [line for line in said.splitlines() if line.startswith("hushcast: ")]
    assert "rtc.port" in line and "Traceback" not in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[http]\nprot = 1", "hushcast: config.toml: unknown key http.prot; known: host, port, "),
        ('[http]\nhost = "192.0.2.77"', "hushcast: http.host: 192.0.2.77 is not an address of this machine"),
        ('[http]\nhost = "nowhere.invalid"', "hushcast: http.host: nowhere.invalid: "),
        ('[http]\ntls = "files"\ncert = "none.pem"\nkey = "none.pem"', "hushcast: http.cert, http.key: "),
        ('[storage]\npath = "config.toml"', "hushcast: "),
    ],
)
def test_a_bad_setting_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    """Exit 2 and one line."""
    said = refused(tmp_path, text)
    assert said.startswith(says) and said.count("\n") == 1


def whole_database(path: Path) -> None:
    async def make() -> None:
        async with Database(path) as database:
            for number in range(50):
                await database.run(users.create, f"user{number}", "x" * 100)

    asyncio.run(make())


def cut_off(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def damaged(file: Path) -> None:
    with file.open("r+b") as writing:
        writing.seek(3 * 4096)
        writing.write(b"\xa5" * 4096)


def of_the_future(file: Path) -> None:
    with sqlite3.connect(file) as rows:
        rows.execute("INSERT INTO migration (name) VALUES ('m9999_later')")
    rows.close()


def of_somebody_else(file: Path) -> None:
    file.unlink()
    with sqlite3.connect(file) as rows:
        rows.execute("CREATE TABLE songs (title TEXT)")
    rows.close()


def deleted(file: Path) -> None:
    (file.parent / "recordings" / "3").mkdir(parents=True)
    file.unlink()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (cut_off, "is cut off"),
        (damaged, "is damaged"),
        (of_the_future, "newer version (m9999_later)"),
        (of_somebody_else, "another program"),
        (deleted, "is missing"),
        (lambda file: file.write_bytes(b""), "is empty"),
        (lambda file: file.write_text("dear diary"), "no SQLite database"),
    ],
)
def test_a_database_that_cannot_be_used(tmp_path: Path, harm: Callable[[Path], object], says: str) -> None:
    """Server and commands print one line with the cause and how to restore, exit with 2, and change nothing."""
    file = tmp_path / "var" / "hushcast.db"
    whole_database(file)
    harm(file)
    before = file.read_bytes() if file.exists() else None
    config = '[http]\nhost = "127.0.0.1"\nport = 0\n[rtc]\nhost = "127.0.0.1"\nport = 0\n[models]\ndownload = false'
    said = [refused(tmp_path, config)]
    for command in (["user", "list"], ["user", "add", "ada"], ["demo"])[: 3 if harm is cut_off else 1]:
        words = [sys.executable, "-m", "web.cli.accounts", "--config", str(tmp_path / "config.toml"), *command]
        ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        assert (ended.returncode, ended.stdout) == (2, "")
        said.append(ended.stderr)
    for text in said:
        [line] = [line for line in text.splitlines() if line.startswith("hushcast: ")]
        assert line.startswith(f"hushcast: {file} ") and says in line and "Restoring" in line and "Traceback" not in text
    assert (file.read_bytes() if file.exists() else None) == before


def test_what_passes_has_another_status(tmp_path: Path) -> None:
    """A file that another program holds, a PostgreSQL that is not there yet: the status says that a later start may go well."""
    file = tmp_path / "var" / "hushcast.db"
    whole_database(file)
    config = '[http]\nhost = "127.0.0.1"\nport = 0\n[rtc]\nhost = "127.0.0.1"\nport = 0\n[models]\ndownload = false'
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        assert "hushcast: the database cannot be opened now: database_busy" in refused(tmp_path, config, AWAY)
    config += f'\n[database]\nurl = "postgresql://a:b@127.0.0.1:{free_port()}/c"'
    assert "hushcast: the database cannot be opened now: database_away" in refused(tmp_path, config, AWAY)


def test_one_port_for_all_addresses_of_a_name() -> None:
    """A name with two addresses is served on both, on the same port."""
    sockets = bind(HttpConfig(host="localhost", port=0))
    assert len({each.getsockname()[1] for each in sockets}) == 1
    for each in sockets:
        each.close()


def test_what_browsers_may_do(capsys: pytest.CaptureFixture[str]) -> None:
    """Every address has a line with what works there; the line for scripts is last."""
    say_where(HttpConfig(host="0.0.0.0", public_url="https://voice.example.org"), 8080, secure=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["http://localhost:8080/  microphone works", "http://127.0.0.1:8080/  microphone works"]
    assert lines[2:-2] == [f"http://{address}:8080/  listening only" for address in served_at("0.0.0.0")[1:]]
    assert lines[-2:] == ["https://voice.example.org/  microphone works", "listening http://127.0.0.1:8080/"]


@pytest.mark.parametrize(
    ("host", "secure", "first"),
    [
        ("0.0.0.0", True, "http://localhost:8080/"),
        ("::", True, "http://localhost:8080/"),
        ("localhost", False, "http://localhost:8080/"),
        ("127.0.0.2", False, "http://127.0.0.2:8080/"),
        ("192.0.2.1", True, "https://192.0.2.1:8080/"),
    ],
)
def test_the_address_that_works_at_once_is_the_first(capsys: pytest.CaptureFixture[str], host: str, secure: bool, first: str) -> None:
    """The localhost address comes first, in plain HTTP, wherever `localhost` reaches the server; each address is printed once."""
    say_where(HttpConfig(host=host), 8080, secure=secure)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{first}  microphone works"
    assert len({line.split()[0] for line in lines[:-1]}) == len(lines) - 1 and lines[-1].startswith("listening http")


async def slow_answer(request: web.Request) -> web.Response:
    request.app[ASKED].set()
    await request.app[ANSWER].wait()
    return web.Response()


ASKED, ANSWER = web.AppKey("ASKED", asyncio.Event), web.AppKey("ANSWER", asyncio.Event)


@asynccontextmanager
async def asked() -> AsyncIterator[web.AppRunner]:
    """A server, asked for something that it does not answer meanwhile."""
    before = asyncio.all_tasks()
    app = web.Application()
    app[ASKED], app[ANSWER] = asyncio.Event(), asyncio.Event()
    app.router.add_get("/", slow_answer)
    runner = runner_of(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        _, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await app[ASKED].wait()
        yield runner
        writer.close()
    finally:
        app[ANSWER].set()
        await runner.cleanup()
        async with asyncio.timeout(20):
            while asyncio.all_tasks() - before:
                await asyncio.sleep(0.01)


async def test_open_requests_are_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp waits for the answer, and then for the handler, each time as long as it is told."""
    monkeypatch.setattr(serve, "CONNECTIONS_S", 2.0)
    async with asked() as runner:
        begun = time.monotonic()
        await runner.cleanup()
        assert time.monotonic() - begun < 2 * serve.CONNECTIONS_S


async def test_what_keeps_the_server_from_closing_is_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The handler of a request, too."""
    monkeypatch.setattr(serve, "CONNECTIONS_S", 2.0)
    monkeypatch.setattr(serve, "END_S", 0.1)
    async with asked() as runner:
        assert not await serve._closed_in_time(runner)
    [said] = [record.getMessage() for record in caplog.records if "not closed within 0.1 s" in record.getMessage()]
    assert "slow_answer > Event.wait)" in said
