"""The log of a real server: formats, levels, request ids, and what must never be in it."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sfu.config.errors import ConfigError
from sfu.config.load import load
from tests.conftest import StartServer
from tests.support.people import Person
from tests.support.running import ROOT, Server, free_port

FILTER = ROOT / "deploy" / "fail2ban" / "filter.d" / "hushcast.conf"
FORGED = "2026-01-01 00:00:00,000 WARNING web.auth.rate_limit: login failed from 192.0.2.66"
NAMES = (
    "nobody",
    f"x\n{FORGED}",
    f"x\r\n{FORGED}\r\n",
    f"\u2028{FORGED}\u2029",
    'x"}\n{"time": "2026-01-01T00:00:00.000Z", "level": "WARNING", "logger": "web.auth.rate_limit", '
    '"message": "login failed from 192.0.2.66"}',
    "x login failed from 192.0.2.66",
    "\x1b[2J\x00",
)
# As fail2ban expands it (server/filter.py, mapTag2Opt and R_HOST): an address, IPv6 in brackets or not.
ADDRESS = r"(?P<address>(?:\d{1,3}\.){3}\d{1,3}|\[?[0-9a-fA-F:.%]*:[0-9a-fA-F:.%]*\]?)"
TIMES = (r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", r'"time": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"')


def failed_addresses(text: str) -> list[str]:
    """The addresses that the filter finds, by its own expressions on each line without its time, as fail2ban applies them."""
    parser = RawConfigParser(comment_prefixes=("#",), strict=True)
    parser.read(FILTER)
    told = parser["Definition"]
    expressions = re.sub(r"%\((\w+)\)s", lambda name: told[name[1]], told["failregex"])
    rules = [re.compile(rule.replace("<ADDR>", ADDRESS)) for rule in expressions.splitlines() if rule]
    assert len(rules) == 2
    found = []
    for line in text.splitlines():
        bare = line
        for time in TIMES:
            if re.search(time, line):
                bare = re.sub(time, "", line, count=1)
                break
        else:
            continue
        found += [match["address"] for rule in rules if (match := rule.search(bare))]
    return found


def by_fail2ban(log: Path) -> list[str]:
    """The same by fail2ban itself."""
    command = ["fail2ban-regex", "--out", "ip", str(log), str(FILTER)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()


async def attack(house: Server) -> set[str]:
    """Wrong passwords under all those names, from a forged address and with a forged request id. The ids of those that were compared."""
    requests = set()
    async with aiohttp.ClientSession() as client:
        for name in NAMES:
            headers = {"Origin": house.url, "X-Forwarded-For": "192.0.2.66", "X-Request-ID": "mine: login failed from 192.0.2.66"}
            body = {"username": name, "password": "wrong password"}
            async with client.post(f"{house.url}/api/login", json=body, headers=headers) as answer:
                assert answer.status in (401, 422), await answer.text()
                if answer.status == 401:
                    requests.add(answer.headers["X-Request-ID"])
    return requests


@pytest.mark.parametrize("kind", ["text", "json"])
async def test_fail2ban_finds_who_guesses_and_nobody_else(server: StartServer, kind: str) -> None:
    """A line for each wrong password, with the client's address; no name and no header makes one with another address."""
    house = await server({"log.format": kind})
    requests = await attack(house)
    house.stop()
    found = failed_addresses(house.log)
    assert set(found) == {"127.0.0.1"} and len(found) >= 5
    assert "192.0.2.66" not in house.log, "names are not in the log at all"
    if kind == "json":
        lines = [json.loads(line) for line in house.log.splitlines() if line.startswith("{")]
        assert all("http://" in line for line in house.log.splitlines() if not line.startswith("{")), "it prints these to standard output"
        assert any(line["message"] == "closing" and "request" not in line for line in lines)
        assert {line["request"] for line in lines if "login" in line["message"]} == requests
    if shutil.which("fail2ban-regex"):
        assert await asyncio.to_thread(by_fail2ban, house.folder / "server.log") == found


async def test_fail2ban_takes_proxies_addresses_from_trusted_ones(server: StartServer) -> None:
    """Behind a trusted proxy the client's address is in the line, and the proxy's request id too."""
    house = await server({"http.trusted_proxies": ["127.0.0.1"]})
    async with aiohttp.ClientSession() as client:
        headers = {"X-Forwarded-For": "2001:db8::7", "X-Request-ID": "from-the-proxy.1", "Origin": house.url}
        body = {"username": "nobody", "password": "wrong password"}
        async with client.post(f"{house.url}/api/login", json=body, headers=headers) as answer:
            assert answer.status == 401 and answer.headers["X-Request-ID"] == "from-the-proxy.1"
        async with client.get(f"{house.url}/healthz", headers={"X-Request-ID": 'a" login'}) as answer:
            assert re.fullmatch(r"[0-9a-f]{12}", answer.headers["X-Request-ID"]), "not a good one"
    house.stop()
    assert failed_addresses(house.log) == ["2001:db8::7"]
    assert "WARNING web.auth.rate_limit [from-the-proxy.1]: login failed from 2001:db8::7\n" in house.log


async def test_the_filter_knows_a_journal_and_refuses_what_only_looks_alike() -> None:
    """Behind a journal's prefix a line counts; inside another line, or in a traceback, it does not."""
    line = "2026-01-01 00:00:00,000 WARNING web.auth.rate_limit [0a]: login failed from 192.0.2.1"
    assert failed_addresses(line) == ["192.0.2.1"]
    assert failed_addresses(f"2026-01-01 00:00:00,000 host python3[7]: {line}") == ["192.0.2.1"]
    for other in (
        f"  | {line}",
        f"2026-01-01 00:00:00,000 INFO web.x: {line}",
        line + " really",
        line.replace("rate_limit", "rate_limits"),
    ):
        assert failed_addresses(other) == []


async def test_the_level_decides(server: StartServer) -> None:
    """With log.level = "error" a wrong password leaves no line."""
    quiet = await server({"log.level": "error"})
    await attack(quiet)
    quiet.stop()
    assert "login failed" not in quiet.log and "INFO" not in quiet.log


async def test_a_wrong_value_is_one_line(tmp_path: Path) -> None:
    """Exit 2, and one line that names the key and what would be right."""
    (tmp_path / "config.toml").write_text('[log]\nformat = "xml"\n')
    command = [sys.executable, "-m", "web.serve", "--config", str(tmp_path / "config.toml")]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 2
    assert done.stderr == "hushcast: config.toml: log.format: 'xml' is none of text, json\n" and done.stdout == ""
    (tmp_path / "config.toml").write_text('[log]\nlevel = "INFO"\n')
    with pytest.raises(ConfigError, match=r"^config\.toml: log\.level: 'INFO' is none of debug, info, warning, error$"):
        load(tmp_path / "config.toml")


async def test_no_secret_is_in_the_log(server: StartServer) -> None:
    """At the most talkative level: passwords, tokens, cookies, invites, the secrets of links in paths, and names are not in it.

    Libraries, some of which would write such things, say no more than INFO.
    """
    house = await server({"log.level": "debug", "denoise.default": "passthrough"})
    secrets = {"correct horse battery", "a wrong password"}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        alice = Person("alicia", house.url, client)
        await alice.call("POST", "/api/register", {"username": "alicia", "password": "correct horse battery"})
        secrets |= {cookie.value for cookie in client.cookie_jar}
        made: list[Any] = [
            await alice.call("POST", "/api/tokens", {"name": "obs", "scopes": ["publish", "listen", "metrics"]}),
            await alice.call("POST", "/api/invites", {}),
            await alice.call("POST", "/api/listen-links", {}),
            await alice.call("POST", "/api/companions", {"kind": "remote"}),
        ]
        secrets |= set(secrets_of(made))
        assert len(secrets) >= 8, secrets
        for secret in list(secrets):
            for path in (f"/l/{secret}", f"/join/{secret}", f"/whep/alicia/{secret}", f"/register?invite={secret}", f"/api/{secret}"):
                async with client.get(house.url + path, headers={"Authorization": f"Bearer {secret}"}) as answer:
                    await answer.read()
        await alice.call("POST", "/api/login", {"username": "alicia", "password": "a wrong password"}, status=401)
        async with alice.phone() as mic:
            await mic.publish("alicia", "?denoise=0")
            secrets |= {mic.location.rsplit("/", 1)[1], *re.findall(r"a=ice-pwd:(\S+)", mic.answer)}
            mic.send(0, 0, bytes([0xFC, 1, 2]))
            await alice.until("alicia", live=True)
            await alice.call("POST", "/api/stream/stop")
    house.stop()
    said = house.log.split("listening http", 1)[1]  # before it the claim link stands, on standard output, for whoever hosts this
    assert ": live" in said, "it is the log of all this"
    assert [secret for secret in secrets if secret in said] == []
    assert "alicia" not in said
    assert not re.search(r" DEBUG (?!db|sfu|web|workers)", house.log)


def secrets_of(made: object) -> Iterator[str]:
    """Each text in these answers that is long enough to be a secret, and the last part of an address."""
    if isinstance(made, dict):
        for key, value in made.items():
            if key in ("token", "code", "url", "join_url", "invite", "secret"):
                yield from (str(value), re.split(r"[/?#=]", str(value))[-1])
            yield from secrets_of(value)
    elif isinstance(made, list):
        for each in made:
            yield from secrets_of(each)


@pytest.mark.parametrize("where", ["full", "closed", "gone"])
async def test_it_serves_though_nobody_takes_its_output(tmp_path: Path, where: str, stretch: float) -> None:
    """Standard output and error on a full disk, closed from the start, or a pipe without a reader: it serves, counts, and leaves with 0."""
    port = free_port()
    (tmp_path / "config.toml").write_text(
        f'[http]\nhost = "127.0.0.1"\nport = {port}\n[rtc]\nhost = "127.0.0.1"\nport = 0\n[models]\ndownload = false\npath = []\n'
    )
    command = f"exec {sys.executable} -m web.serve --config {tmp_path / 'config.toml'}"
    ends = {"full": " >/dev/full 2>/dev/full", "closed": " <&- >&- 2>&-", "gone": ""}
    ear, mouth = os.pipe()
    given = mouth if where == "gone" else subprocess.DEVNULL
    running = subprocess.Popen(["sh", "-c", command + ends[where]], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=given, stderr=given)
    os.close(mouth)
    os.close(ear)
    try:
        async with aiohttp.ClientSession() as client:
            await ready(client, f"http://127.0.0.1:{port}/readyz", stretch)
            body = {"username": "nobody", "password": "wrong password"}
            origin = {"Origin": f"http://127.0.0.1:{port}"}
            async with client.post(f"http://127.0.0.1:{port}/api/login", json=body, headers=origin) as answer:
                assert answer.status == 401
            async with asyncio.timeout(20 * stretch):
                while not (dropped := await dropped_lines(client, port)) and where != "closed":
                    await asyncio.sleep(0.05)
    finally:
        running.terminate()
        status = await asyncio.to_thread(running.wait, 30 * stretch)
    assert status == 0
    assert dropped > 0 or where == "closed", "there /dev/null takes them"
    database = (tmp_path / "var" / "hushcast.db").read_bytes()
    assert database.startswith(b"SQLite format 3\0") and b"login failed" not in database


async def ready(client: aiohttp.ClientSession, url: str, stretch: float) -> None:
    async with asyncio.timeout(60 * stretch):
        while True:
            try:
                async with client.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.05)


async def dropped_lines(client: aiohttp.ClientSession, port: int) -> float:
    async with client.get(f"http://127.0.0.1:{port}/metrics") as answer:
        [line] = [each for each in (await answer.text()).splitlines() if each.startswith("hushcast_log_dropped_total ")]
    return float(line.split()[1])
