"""Debian's nginx and HAProxy with the files of `deploy/`, on loopback, before servers of a test."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from tests.support.running import ROOT, free_port

START_S = 20.0
NAMED = 3  # servers in each file
UPSTREAM = "X-Upstream"  # a header in which nginx says here which server has answered


@dataclass(frozen=True)
class Proxy:
    """One of the two programs: its file, in which each server stands so many `times`, how that is adapted to the test, and what starts
    it in the foreground."""

    name: str
    file: Path
    times: int
    adapted: Callable[[str, int], str]
    command: Callable[[Path], list[str]]

    @property
    def program(self) -> str | None:
        return shutil.which(self.name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")

    def text(self, port: int, upstreams: Sequence[str]) -> str:
        """The file with other addresses, and its HTTPS site as one of HTTP at this port; all else stays."""
        text = self.adapted(self.file.read_text(), port)
        for number in range(1, NAMED + 1):
            if number <= len(upstreams):
                text, found = re.subn(rf"10\.0\.77\.{number}:8080", upstreams[number - 1], text)
            else:
                text, found = re.subn(rf"\n *server .*10\.0\.77\.{number}:8080.*", "", text)
            assert found == self.times, f"{self.file} has changed"
        return text


def _nginx(text: str, port: int) -> str:
    text, listens = re.subn(r"listen 443 ssl;", f"listen 127.0.0.1:{port};", text)
    text, redirects = re.subn(r"    server \{\n        listen 80;.*?\n    \}\n", "", text, flags=re.DOTALL)
    text, certificates = re.subn(r" +ssl_certificate.*\n", "", text)
    text, pids = re.subn(r"pid /run/nginx.pid;", "pid nginx.pid;", text)
    text, passes = re.subn(r"( +)proxy_pass .*;", rf"\g<0>\n\1add_header {UPSTREAM} $upstream_addr always;", text)
    assert (listens, redirects, certificates, pids, passes) == (1, 1, 2, 1, 1), "deploy/nginx.conf has changed"
    return text.replace("server_name voice.example.org;", "server_name localhost;")


def _haproxy(text: str, port: int) -> str:
    text, plain = re.subn(r"bind :80\n", "", text)
    text, binds = re.subn(r"bind :443 ssl .*", f"bind 127.0.0.1:{port}", text)
    text, redirects = re.subn(r" +http-request redirect scheme https.*\n", "", text)
    assert (plain, binds, redirects) == (1, 1, 1), "deploy/haproxy.cfg has changed"
    bare, rights = re.subn(r" +(?:user|group|chroot) .*\n", "", text)
    assert rights == 3, "deploy/haproxy.cfg does not say how HAProxy gives up its rights"
    return text if os.geteuid() == 0 else bare


NGINX = Proxy(
    "nginx",
    ROOT / "deploy" / "nginx.conf",
    2,
    _nginx,
    lambda file: ["-p", str(file.parent), "-c", str(file), "-e", "stderr", "-g", "daemon off;"],
)
HAPROXY = Proxy("haproxy", ROOT / "deploy" / "haproxy.cfg", 1, _haproxy, lambda file: ["-db", "-f", str(file)])


@asynccontextmanager
async def running(proxy: Proxy, folder: Path, urls: Sequence[str]) -> AsyncIterator[str]:
    """The URL of a proxy before these servers, for as long as the block."""
    assert proxy.program is not None
    folder.mkdir()
    port = free_port()
    file, log = folder / proxy.file.name, folder / f"{proxy.name}.log"
    file.write_text(proxy.text(port, [urlsplit(url).netloc for url in urls]))
    with log.open("wb") as said:
        command = [proxy.program, *proxy.command(file)]
        process = subprocess.Popen(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(START_S):
            while not await _listens(port) or (proxy is HAPROXY and 0 in psutil.Process(process.pid).uids()):  # root goes after the port
                assert process.poll() is None, log.read_text()
                await asyncio.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
