"""Debian's pebble, an authority of certificates for tests, and its name server, both on loopback. All names resolve to 127.0.0.1."""

import asyncio
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.conftest import missing_program
from tests.support.running import free_port
from web.http.tls import kept_certificate

START_S = 30.0


class Pebble:
    """Owns both processes, whose state ends with them. May be started again.

    http_port, tls_port: where it looks at challenges, instead of 80 and 443. environment: for a server that is to trust it.
    """

    def __init__(
        self, folder: Path, *, http_port: int = 0, tls_port: int = 0, blocked: Sequence[str] = (), nonces_refused: int = 5
    ) -> None:
        """blocked: names that it refuses; nonces_refused: percent."""
        self.http_port, self.tls_port = http_port or free_port(), tls_port or free_port()
        self.port, self._management, self._names, self._names_management = (free_port() for _ in range(4))
        self._folder, self._blocked, self._nonces_refused = folder, list(blocked), nonces_refused
        self._file = kept_certificate(folder / "pebble.pem", {"127.0.0.1"})
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/dir"

    @property
    def environment(self) -> dict[str, str]:
        return {"REQUESTS_CA_BUNDLE": str(self._file), "NO_PROXY": "127.0.0.1"}

    @property
    def log(self) -> str:
        return (self._folder / "pebble.log").read_text(errors="replace")

    async def __aenter__(self) -> Self:
        """Start both, and wait until they answer."""
        config = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(self._file),
            "privateKey": str(self._file),
            "httpPort": self.http_port,
            "tlsPort": self.tls_port,
            "domainBlocklist": self._blocked,
            "certificateValidityPeriod": 90 * 86_400,
        }
        file = self._folder / "pebble.json"
        file.write_text(json.dumps({"pebble": config}))
        quick = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0", "PEBBLE_WFE_NONCEREJECT": str(self._nonces_refused)}
        names = ["-dns01", f"127.0.0.1:{self._names}", "-management", f"127.0.0.1:{self._names_management}", "-defaultIPv6", ""]
        self._start(["pebble-challtestsrv", *names, "-http01", "", "-https01", "", "-tlsalpn01", ""], {})
        self._start(["pebble", "-config", str(file), "-dnsserver", f"127.0.0.1:{self._names}"], quick)
        for port in (self._names_management, self.port):
            await self._answers(port)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            await asyncio.to_thread(process.wait)
        self._processes.clear()

    def _start(self, command: list[str], more: dict[str, str]) -> None:
        if shutil.which(command[0]) is None:
            missing_program("pebble")
        with (self._folder / "pebble.log").open("ab") as log:
            environment = {**os.environ, **more}
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment))

    async def _answers(self, port: int) -> None:
        async with asyncio.timeout(START_S):
            while True:
                assert all(process.poll() is None for process in self._processes), self.log
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                await writer.wait_closed()
                return


def trusting_nobody() -> ssl.SSLContext:
    """A client's context that takes every certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
