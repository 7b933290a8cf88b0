"""The real server as a child process, for tests that come through the front door."""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_S, END_S = 60.0, 30.0
NOBODYS = range(10_000, 20_000)  # ports below those that kernels give away


class Server:
    """One server process: its settings in a folder of its own, ports free ones on 127.0.0.1. May be started again after its end."""

    def __init__(self, folder: Path, settings: Mapping[str, object], environment: Mapping[str, str], stretch: float) -> None:
        """settings: {"broadcast.grace_s": 2.0, ...}, over those for a test."""
        self.folder = folder
        self.storage = folder / "var"
        self.media_port = free_port()
        self.python, self.root, self.module = sys.executable, ROOT, "web.serve"  # of another checkout, or what wraps the server
        self.url = ""  # "http://127.0.0.1:PORT", without a slash at the end
        self.killed = False
        self._settings = {
            "http.host": "127.0.0.1",
            "http.port": 0,
            "rtc.host": "127.0.0.1",
            "rtc.port": self.media_port,
            "storage.path": str(self.storage),
            "models.download": False,
            **settings,
        }
        self._environment = environment
        self._stretch = stretch
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "server.log"

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def log(self) -> str:
        """All that it has said, of all its lives."""
        return self._log.read_text(errors="replace")

    async def start(self, changed: Mapping[str, object] | None = None) -> "Server":
        """Start, or start again, and wait until it says where it listens. changed: settings, from now on."""
        self._settings |= changed or {}
        config = self.folder / "config.toml"
        config.write_text(_toml(self._settings))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HUSHCAST_") or name == "HUSHCAST_TEST_RUN"}
        environment |= {"PYTHONPATH": str(self.root), **self._environment}
        with self._log.open("ab") as log:
            said = log.tell()
            command = [self.python, "-m", self.module, "--config", str(config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.root, env=environment)
        self.killed = False
        async with asyncio.timeout(START_S * self._stretch):
            while not self._heard_listening(self._log.read_bytes()[said:].decode(errors="replace")):
                if self._process.poll() is not None:
                    assert self._has_lost_its_port(), f"the server ended with {self._process.returncode}:\n{self.log}"
                    return await self.start()
                await asyncio.sleep(0.02)
        return self

    def _has_lost_its_port(self) -> bool:
        """Whether somebody else, say another run of the tests, took the free port first; it has another one then."""
        lost = not self.url and self._settings["rtc.port"] == self.media_port and f"UDP port {self.media_port} " in self.log
        if lost:
            self.media_port = self._settings["rtc.port"] = free_port()
        return lost

    def _heard_listening(self, said: str) -> bool:
        for line in said.splitlines(keepends=True):
            if line.startswith("listening ") and line.endswith("\n"):
                self.url = line.removeprefix("listening ").strip().rstrip("/")
                self._settings["http.port"] = int(self.url.rsplit(":", 1)[1])  # the same again after a restart
                return True
        return False

    def kill(self) -> None:
        """kill -9, and wait until it is dead."""
        self.killed = True
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, as a supervisor would: it leaves with status 0."""
        if self._process is not None and not self.killed:
            status = self._end(signal.SIGTERM)
            assert status == 0, f"the server left with {status}:\n{self.log}"

    def _end(self, number: int) -> int:
        assert self._process is not None, "not started"
        self._process.send_signal(number)
        try:
            return self._process.wait(END_S * self._stretch)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise


def free_port() -> int:
    """A port that nobody has at this moment, for UDP and for TCP, on 127.0.0.1.

    Not one that the kernel gives: of those, the ends of connections long closed keep hundreds from being listened on for a
    minute, and any may be given to somebody else before the caller has bound it.
    """
    while True:
        port = random.choice(NOBODYS)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                datagrams.bind(("127.0.0.1", port))
                listening.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def _toml(settings: Mapping[str, object]) -> str:
    sections: dict[str, list[str]] = {}
    for name, value in settings.items():
        section, key = name.split(".")
        sections.setdefault(section, []).append(f"{key} = {json.dumps(value)}")  # JSON's strings, numbers and lists are TOML's
    return "\n".join(f"[{section}]\n" + "\n".join(lines) for section, lines in sections.items()) + "\n"
