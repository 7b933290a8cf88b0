"""Certificates that change while the server runs."""

import asyncio
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sfu.config.schema import HttpConfig
from tests.conftest import StartServer
from tests.support.running import ROOT, Server
from tests.web.conftest import settings
from tests.web.quiet import quiet
from web.app import make_app
from web.http import tls_renewal
from web.http.tls import RENEW, certificate_file, state_of, tls_context
from web.http.tls_renewal import TlsRenewal
from web.serve import bind, connections_of, runner_of

ANYBODY = ssl.create_default_context()
ANYBODY.check_hostname, ANYBODY.verify_mode = False, ssl.CERT_NONE
ASK = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


def made(serial: int, life: timedelta = timedelta(days=90)) -> tuple[bytes, bytes]:
    """Certificate and key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a")]), datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(serial)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = builder.add_extension(names, critical=False).not_valid_before(now - timedelta(days=400)).not_valid_after(now + life)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), private


class Live:
    """Two links to files elsewhere, as certbot keeps them."""

    def __init__(self, folder: Path) -> None:
        self.cert, self.key, self._archive = folder / "cert.pem", folder / "key.pem", folder / "archive"
        self._archive.mkdir()
        self.renew(1111)

    def renew(self, serial: int, life: timedelta = timedelta(days=90)) -> None:
        """Replace one link, then the other, each atomically."""
        for link, content in zip((self.cert, self.key), made(serial, life), strict=True):
            self.put(link, f"{link.stem}{serial}.pem", content)

    def put(self, link: Path, name: str, content: bytes) -> None:
        (self._archive / name).write_bytes(content)
        draft = link.with_suffix(".new")
        draft.symlink_to(self._archive / name)
        draft.replace(link)


async def serial_at(port: int) -> int:
    """The serial number of the certificate on a new connection."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=ANYBODY)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
    return x509.load_der_x509_certificate(shown).serial_number


async def until(what: Callable[[], bool], stretch: float) -> None:
    async with asyncio.timeout(60 * stretch):
        while not what():
            await asyncio.sleep(0.05)


async def shows(port: int, serial: int, stretch: float) -> None:
    async with asyncio.timeout(60 * stretch):
        while await serial_at(port) != serial:
            await asyncio.sleep(0.2)


def said(running: Server, words: str) -> int:
    return running.log.count(words)


async def test_a_renewed_certificate_is_served(server: StartServer, tmp_path: Path, stretch: float) -> None:
    """New connections get a renewed certificate within seconds, open ones stay; a bad one is one log line; SIGHUP loads at once."""
    live = Live(tmp_path)
    running = await server({"http.tls": "files", "http.cert": str(live.cert), "http.key": str(live.key)})
    port = int(running.url.rsplit(":", 1)[1])
    assert await serial_at(port) == 1111
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=ANYBODY)

    async def still_answered() -> None:
        async with asyncio.timeout(20 * stretch):
            writer.write(ASK)
            assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200")

    await still_answered()
    live.renew(2222)
    await shows(port, 2222, stretch)
    await still_answered()
    assert said(running, "goes on being served") == 0, "one link after the other is no mistake"
    live.put(live.key, "other.pem", made(9)[1])
    await until(lambda: said(running, "goes on being served") > 0, stretch)
    os.kill(running.pid, signal.SIGHUP)
    assert await serial_at(port) == 2222
    live.renew(3333, life=-timedelta(days=1))
    await until(lambda: said(running, "has expired on") > 0, stretch)
    assert await serial_at(port) == 2222
    live.renew(4444)
    os.kill(running.pid, signal.SIGHUP)
    await shows(port, 4444, stretch)
    await still_answered()
    assert said(running, "goes on being served") == 2, running.log
    writer.close()


async def test_sighup_ends_no_server(server: StartServer, stretch: float) -> None:
    """Without a certificate SIGHUP is a log line, and the server goes on."""
    running = await server()
    os.kill(running.pid, signal.SIGHUP)
    await until(lambda: said(running, "SIGHUP: there is no certificate") > 0, stretch)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(running.url.rsplit(":", 1)[1]))
    writer.write(ASK)
    async with asyncio.timeout(20 * stretch):
        assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200")
    writer.close()


def test_sighup_ends_no_child() -> None:
    """A SIGHUP to the whole process group does not end the server's children."""
    program = "from workers.pdeathsig import *; leave_with_parent(); os.kill(os.getpid(), signal.SIGHUP); print('there')"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60).stdout == "there\n"


async def test_the_own_certificate_is_renewed_in_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: float) -> None:
    """A self-signed certificate is replaced 30 days before its end while the server runs, on both loops."""
    monkeypatch.setattr(tls_renewal, "EVERY_S", 0.1)
    http = HttpConfig(host="127.0.0.1", port=0, tls="self-signed")
    file = certificate_file(http, tmp_path)
    file.parent.mkdir()
    file.write_bytes(b"".join(made(1111, RENEW + timedelta(seconds=5 * stretch))))
    context = tls_context(http, tmp_path)
    runner = runner_of(make_app(settings(tmp_path / "house"), media=quiet))
    await runner.setup()
    try:
        listening = bind(http)
        port = listening[0].getsockname()[1]
        async with connections_of(runner, listening, context) as served, TlsRenewal(http, tmp_path, served.serve_with):
            assert await serial_at(port) == 1111
            async with asyncio.timeout(60 * stretch):
                while await serial_at(port) == 1111:
                    await asyncio.sleep(0.2)
            served = await serial_at(port)
            assert x509.load_pem_x509_certificate(file.read_bytes()).serial_number == served
    finally:
        await runner.cleanup()


def test_what_makes_another_state(tmp_path: Path) -> None:
    """The state changes with a link's target, a replaced, overwritten or deleted file; not by reading it."""
    live = Live(tmp_path)
    http = HttpConfig(tls="files", cert=live.cert, key=live.key)
    states = [state_of(http, tmp_path)]
    assert state_of(http, tmp_path) == states[0]
    live.put(live.cert, "elsewhere.pem", live.cert.read_bytes())
    states.append(state_of(http, tmp_path))
    live.key.resolve().write_bytes(b"shorter")
    states.append(state_of(http, tmp_path))
    live.key.unlink()
    states.append(state_of(http, tmp_path))
    assert all(one != other for place, one in enumerate(states) for other in states[:place])
