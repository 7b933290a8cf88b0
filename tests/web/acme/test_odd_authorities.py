"""Authorities that pebble is not: silent, no authority at all, or asking for patience. Each is one line, and nothing is stored."""

import asyncio
import contextlib
import json
import resource
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sfu.config.schema import HttpConfig
from tests.support.pebble import Pebble
from tests.support.running import free_port
from tests.web.acme.test_authority import stored
from web.acme import authority
from web.acme.authority import Authority
from web.acme.http_port import HttpPort, opened
from web.acme.refusal import NotIssued
from web.acme.stored import giver_of
from web.http.challenges import Challenges
from web.http.tls import certificate_for, issued_file, kept_certificate

WAIT = {"Retry-After": "7200", "Content-Type": "application/problem+json"}
LIMITED = b'{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many\\ncertificates"}'
LATER = {"Date": "Fri, 01 Jan 2027 00:00:00 GMT", "Content-Type": "application/json"}


@contextlib.contextmanager
def answering(folder: Path, status: int, headers: dict[str, str], body: Callable[[str], bytes]) -> Iterator[str]:
    """The URL of an HTTPS server that answers everything so. body: made of that URL."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(status)
            content = body(url)
            for each in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(*each)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(kept_certificate(folder / "server.pem", {"127.0.0.1"}))
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        url = f"https://127.0.0.1:{server.server_port}/dir"
        server.socket = context.wrap_socket(server.socket, server_side=True)
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield url
        server.shutdown()
        serving.join()


def refused_by(url: str, storage: Path) -> NotIssued:
    http = HttpConfig(tls="acme", names=("voice.example.org",), acme_url=url)
    with pytest.raises(NotIssued) as refused:
        Authority(http, storage, Challenges()).obtain(["http-01"])
    assert "\n" not in str(refused.value)
    assert [file.name for file in (storage / "keys" / "acme").iterdir()] == ["account.pem"]
    return refused.value


@pytest.mark.parametrize(
    ("status", "headers", "body", "why", "counted"),
    [
        (200, {"Content-Type": "application/json"}, b"{}", "127.0.0.1 does not speak ACME as we do", True),
        (200, {"Content-Type": "text/html"}, b"<html>", "127.0.0.1 does not speak ACME as we do", True),
        (500, {}, b"", "127.0.0.1 does not speak ACME as we do", True),
        (429, WAIT, LIMITED, "127.0.0.1 says no: too many certificates", True),
        (200, LATER, b"{}", "this machine's clock says", False),
    ],
)
def test_what_no_authority_answers(
    status: int, headers: dict[str, str], body: bytes, why: str, counted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(tmp_path, status, headers, lambda _: body) as url:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "server.pem"))
        refusal = refused_by(url, tmp_path / "var")
    assert str(refusal).startswith(why) and refusal.refused is counted
    assert (refusal.not_before > time.time() + 7000) == (headers is WAIT), "it says how long to wait"


@pytest.mark.parametrize("offered", [True, False])
def test_when_it_suggests_to_renew(offered: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the window that it names (RFC 9773), which pebble does not have; nothing where it has no such thing."""
    window = {"suggestedWindow": {"start": "2030-01-01T00:00:00Z", "end": "2030-01-02T00:00:00Z"}}
    body = window | ({"renewalInfo": "RENEWAL"} if offered else {"newNonce": "https://127.0.0.1/"})
    file = issued_file(tmp_path)
    file.parent.mkdir(parents=True)
    file.write_bytes(stored("voice.example.org", begins_days=-1, ends_days=89))
    with answering(
        tmp_path, 200, {"Content-Type": "application/json"}, lambda url: json.dumps(body).replace("RENEWAL", url).encode()
    ) as url:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "server.pem"))
        when = Authority(HttpConfig(tls="acme", names=("voice.example.org",), acme_url=url), tmp_path, Challenges()).suggested()
    begins = datetime(2030, 1, 1, tzinfo=UTC).timestamp()
    assert begins <= when <= begins + 86_400 if offered else when is None


def test_an_authority_that_is_not_trusted(tmp_path: Path) -> None:
    with answering(tmp_path, 200, {}, lambda _: b"{}") as url:
        refusal = refused_by(url, tmp_path / "var")
    assert str(refusal).startswith("127.0.0.1 has a certificate that this machine does not trust: ") and not refusal.refused


@contextlib.contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """What is written beyond is refused, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 4096])  # for nothing, and for the account's key
def test_nothing_is_ordered_that_cannot_be_stored(room: int, tmp_path: Path) -> None:
    """A full disk is not the authority's fault, and costs none of the certificates that it gives."""
    http = HttpConfig(tls="acme", names=("voice.example.org",), acme_url=f"https://127.0.0.1:{free_port()}/dir")
    with no_file_longer_than(room), pytest.raises(OSError, match="File too large"):
        Authority(http, tmp_path, Challenges()).obtain(["http-01"])
    assert not list((tmp_path / "keys" / "acme").iterdir())


def test_this_machines_fault_is_not_the_authoritys(tmp_path: Path) -> None:
    """An account's key that cannot be written, after there was room for a certificate."""
    http = HttpConfig(tls="acme", names=("voice.example.org",), acme_url=f"https://127.0.0.1:{free_port()}/dir")
    (tmp_path / "keys" / "acme" / "account.pem" / "x").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        Authority(http, tmp_path, Challenges()).obtain(["http-01"])


async def test_what_was_given_is_not_ordered_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that cannot be stored is kept for the next try, with its key."""
    async with Pebble(tmp_path) as pebble:
        for name, value in pebble.environment.items():
            monkeypatch.setenv(name, value)
        http = HttpConfig(host="127.0.0.1", tls="acme", names=("voice.example.org",), acme_url=pebble.url, acme_port=pebble.http_port)
        shown, file = Challenges(), issued_file(tmp_path)
        (file / "x").mkdir(parents=True)
        async with HttpPort(http, opened(http), shown, lambda _: False):
            asked = Authority(http, tmp_path, shown)
            with pytest.raises(IsADirectoryError):
                await asyncio.to_thread(asked.obtain, ["http-01"])
    shutil.rmtree(file)
    asked.obtain(["http-01"])  # the authority is away now
    assert certificate_for(file, http.names) is not None and giver_of(http, tmp_path) == pebble.url


def test_a_silent_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up after a while."""
    monkeypatch.setattr(authority, "REQUEST_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        refusal = refused_by(f"https://127.0.0.1:{silent.getsockname()[1]}/dir", tmp_path / "var")
    assert "does not answer" in str(refusal) and "timed out" in str(refusal) and not refusal.refused
