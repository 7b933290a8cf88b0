"""Certificates of a real authority (Debian's pebble), at a real server: first, next, refused, and while the authority is away."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from tests.conftest import StartServer
from tests.support.pebble import Pebble, trusting_nobody
from tests.support.people import PASSWORD, Person, befriend, signed_up
from tests.support.running import ROOT, Server, free_port
from tests.support.shifted import ShiftedClocks
from tests.support.spoken import packets_of
from tests.web.acme.test_authority import stored

NAMES = ["voice.example.org", "live.example.org"]
OLD = 4711  # the serial number of what `stored` makes
DAY = 86_400


def settings(pebble: Pebble, **more: object) -> dict[str, object]:
    """Of a server that pebble finds by both challenges, where its ports are the server's."""
    ports = {"http.port": pebble.tls_port, "http.acme_port": pebble.http_port}
    named = {"http.tls": "acme", "http.names": NAMES, "http.acme_url": pebble.url, "http.acme_email": "me@example.org"}
    return {**named, **ports, "denoise.default": "passthrough", **more}


async def shown_at(running: Server) -> x509.Certificate:
    """The certificate on a new connection."""
    _, writer = await asyncio.open_connection("127.0.0.1", int(running.url.rsplit(":", 1)[1]), ssl=trusting_nobody())
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return x509.load_der_x509_certificate(shown)


async def shows(running: Server, wanted: Callable[[x509.Certificate], bool], stretch: float) -> x509.Certificate:
    async with asyncio.timeout(40 * stretch):
        while not wanted(found := await shown_at(running)):
            await asyncio.sleep(0.05)
    return found


def is_pebbles(certificate: x509.Certificate) -> bool:
    return "Pebble" in certificate.issuer.rfc4514_string()


async def said(running: Server, words: str, stretch: float, times: int = 1) -> None:
    async with asyncio.timeout(40 * stretch):
        while running.log.count(words) < times:
            await asyncio.sleep(0.02)


def ask_now(running: Server) -> None:
    os.kill(running.pid, signal.SIGHUP)


def replace_stored(running: Server) -> Path:
    """Put a certificate there that has to be renewed."""
    file = running.storage / "keys" / "acme" / "certificate.pem"
    draft = file.with_name("draft")
    draft.write_bytes(stored(*NAMES, begins_days=-80, ends_days=10))
    draft.chmod(0o600)
    draft.replace(file)
    return file


@asynccontextmanager
async def person(url: str, name: str) -> AsyncIterator[Person]:
    """Signed up over TLS, whose certificate does not matter to them."""
    connector = aiohttp.TCPConnector(ssl=trusting_nobody())
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        made = Person(name, url, http)
        await made.call("POST", "/api/register", {"username": name, "password": PASSWORD}, status=201)
        yield made


@asynccontextmanager
async def listening(url: str, stretch: float) -> AsyncIterator[Callable]:
    """Ada talks and Ben listens, with a WebSocket each; yields a check that all of it goes on."""
    async with person(url, "ada") as ada, person(url, "ben") as ben, ada.phone() as mic, ben.phone() as ear:
        await befriend(ada, ben)
        await mic.publish("ada", "?denoise=0")
        over = asyncio.Event()
        talking = asyncio.create_task(mic.talk(packets_of(4.0) * 100, until=over))
        await ben.until("ada", live=True)
        await ear.listen("ada", "?variant=original")
        async with ben.http.ws_connect(f"{url}/ws/presence", headers={"Origin": url}) as socket:

            async def goes_on() -> None:
                await ear.heard(len(ear.received) + 25, 30 * stretch)
                await socket.send_json({"type": "ping", "data": {"timestamp": 1}})
                async with asyncio.timeout(30 * stretch):
                    while (await socket.receive_json())["type"] != "pong":
                        pass

            await goes_on()
            yield goes_on
            numbers = [packet.sequence for _, packet in ear.received]
            certificate = (await ada.call("GET", "/api/admin/system"))["certificate"]
            assert (certificate["kind"], certificate["failure"], certificate["failed_at"]) == ("acme", "", None)
            assert numbers == [(numbers[0] + place) & 0xFFFF for place in range(len(numbers))], "no packet was lost"
        over.set()
        await talking


async def page_head(running: Server, name: str) -> str:
    """The head of the page as it comes over TLS."""
    port = int(running.url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting_nobody())
    writer.write(f"GET / HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    writer.transport.abort()
    return head


@pytest.mark.parametrize("challenge", ["http-01", "tls-alpn-01"])
async def test_issued_and_renewed(challenge: str, server: StartServer, tmp_path: Path, stretch: float) -> None:
    """Over each challenge, with a quarter of all nonces refused: a first certificate and the next one, while sound and sockets go on; no
    packet is lost. The key is its owner's alone. What is stored serves after a restart, also where it cannot be renewed."""
    async with Pebble(tmp_path, nonces_refused=25) as pebble:
        pebble_asks = {} if challenge == "http-01" else {"http.acme_port": 0}
        running = await server(settings(pebble, **pebble_asks), **pebble.environment)
        first = await shows(running, is_pebbles, stretch)
        names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
        assert set(names) == set(NAMES)
        assert f"by {challenge}" in running.log and "http.tls agrees to its terms" in running.log
        assert "Strict-Transport-Security" in await page_head(running, NAMES[0])
        async with listening(running.url, stretch) as goes_on:
            file = replace_stored(running)
            ask_now(running)
            renewed = await shows(running, lambda found: found.serial_number not in (OLD, first.serial_number), stretch)
            assert is_pebbles(renewed)
            await goes_on()
        assert {each.name: each.stat().st_mode & 0o777 for each in file.parent.iterdir()} == dict.fromkeys(
            ("account.pem", "certificate.pem", "past.json"), 0o600
        )
    assert running.log.count("asking 127.0.0.1 for a certificate") == 2
    if challenge == "http-01":
        await stays_without_authority(running, renewed.serial_number, stretch)


async def stays_without_authority(running: Server, serial: int, stretch: float) -> None:
    running.stop()
    await running.start()
    assert (await shown_at(running)).serial_number == serial
    assert running.log.count("asking 127.0.0.1 for a certificate") == 2
    replace_stored(running)
    ask_now(running)
    await said(running, "does not answer", stretch)
    await shows(running, lambda found: found.serial_number == OLD, stretch)
    doctor = await asyncio.to_thread(asked_doctor, running)
    assert "ends on" in doctor and "there was no new certificate at" in doctor and "does not answer" in doctor


def asked_doctor(running: Server) -> str:
    command = [sys.executable, "-m", "web.cli.doctor", "--config", str(running.folder / "config.toml")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout


async def test_a_refusal_is_a_line(server: StartServer, tmp_path: Path, stretch: float) -> None:
    """A name that the authority refuses: one line a try, at most four tries an hour, however often somebody asks; a restart does not
    forget them. The self-signed certificate goes on, without HSTS."""
    async with Pebble(tmp_path, blocked=[NAMES[1]]) as pebble:
        running = await server(settings(pebble), **pebble.environment)
        own = await shown_at(running)
        assert own.issuer == own.subject
        for tries in range(1, 5):
            await said(running, "no new certificate: 127.0.0.1 says no:", stretch, tries)
            if tries == 2:
                running.stop()
                await running.start()
            else:
                ask_now(running)
        await said(running, "the authority allows few tries an hour", stretch)
        assert running.log.count("asking 127.0.0.1 for a certificate") == 4
        lines = [line for line in running.log.splitlines() if "no new certificate" in line]
        assert len(lines) == 4 and all(NAMES[1] in line and "the next try is at" in line for line in lines)
        assert (await shown_at(running)).serial_number == own.serial_number
        assert "Strict-Transport-Security" not in await page_head(running, NAMES[0])
        async with signed_up(running.url.replace("https", "http"), "ada") as ada:
            certificate = (await ada.call("GET", "/api/admin/system"))["certificate"]
        assert certificate["kind"] == "self-signed" and certificate["failure"] in lines[-1] and certificate["failed_at"]
        past = json.loads((running.storage / "keys" / "acme" / "past.json").read_bytes())
        assert past["failures"] == 4 and len(past["refusals"]) == 4


async def test_another_authority_is_asked_at_once(server: StartServer, tmp_path: Path, stretch: float) -> None:
    """A new `http.acme_url` at a start is asked although the certificate is good; both the start and the doctor tell whose it is."""
    async with Pebble(tmp_path) as trying:
        running = await server(settings(trying), **trying.environment)
        first = await shows(running, is_pebbles, stretch)
        running.stop()
    real = Pebble(tmp_path, http_port=trying.http_port, tls_port=trying.tls_port)
    await running.start({"http.acme_url": real.url})
    assert "until 127.0.0.1 has given one\n" in running.log
    await said(running, "does not answer", stretch)
    assert (await shown_at(running)).serial_number == first.serial_number
    assert f"the certificate is of {trying.url}, not of http.acme_url yet" in await asyncio.to_thread(asked_doctor, running)
    async with real:
        ask_now(running)
        second = await shows(running, lambda found: found.serial_number != first.serial_number, stretch)
    assert is_pebbles(second) and second.issuer != first.issuer
    await said(running, "the authority has given a certificate", stretch, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD")
async def test_away_then_elsewhere_then_there(server: StartServer, tmp_path: Path, stretch: float) -> None:
    """An authority that is away, a clock that is wrong, a port that leads nowhere: a line each; then the other challenge succeeds."""
    clocks = ShiftedClocks(tmp_path)
    pebble = Pebble(tmp_path)
    nowhere = {"http.acme_port": free_port()}
    running = await server(settings(pebble, **nowhere), **pebble.environment, **clocks.environment)
    await said(running, "127.0.0.1 does not answer: Connection refused", stretch)
    async with pebble:
        clocks.jump_s(40 * DAY)
        ask_now(running)
        await said(running, "this machine's clock says", stretch)
        clocks.jump_s(-40 * DAY)
        ask_now(running)
        await said(running, f"port 80 of the name has to reach http.acme_port, {nowhere['http.acme_port']}", stretch)
        ask_now(running)
        await said(running, "by tls-alpn-01", stretch)
        await shows(running, is_pebbles, stretch)
    clocks.close()


def test_without_its_packages(tmp_path: Path) -> None:
    """A start without the part `acme` is one line with the command that installs it."""
    file = tmp_path / "config.toml"
    file.write_text('[http]\nhost = "127.0.0.1"\nport = 0\ntls = "acme"\nnames = ["voice.example.org"]\n')
    program = "import sys; sys.modules['josepy'] = None; from web.serve import main; sys.exit(main(sys.argv[1:]))"
    said = subprocess.run([sys.executable, "-c", program, "--config", file], cwd=ROOT, capture_output=True, text=True)
    last = said.stderr.strip().splitlines()[-1]
    assert said.returncode == 2 and last.endswith("needs packages that are not installed: `python3 run.py install acme`"), said.stderr
    assert "Traceback" not in said.stderr
