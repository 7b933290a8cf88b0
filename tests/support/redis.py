"""A real redis-server on a free port of 127.0.0.1, which a test can kill, stop for a while, and start again, empty or not."""

import asyncio
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from tests.support.running import free_port

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")
START_S = 20.0


class RedisServer:
    """One server process, without persistence: what it knows is gone when it is killed, but for `keep`."""

    def __init__(self, folder: Path, *options: str) -> None:
        """options: further ones of the command line, such as `--requirepass SECRET`."""
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> "RedisServer":
        """Start, and wait until it takes connections."""
        assert PROGRAM is not None
        self._folder.mkdir(exist_ok=True)
        command = [PROGRAM, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([*command, *self._options], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        async with asyncio.timeout(START_S):
            while not self._answers():
                assert self._process.poll() is None, (self._folder / "redis.log").read_text(errors="replace")
                await asyncio.sleep(0.01)
        return self

    def kill(self) -> None:
        """kill -9; it forgets everything."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: it takes connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def do(self, *command: str | bytes) -> Any:
        """The answer to one command, as Redis gives it."""
        async with Redis.from_url(self.url) as client:
            client.response_callbacks.clear()
            return await client.execute_command(*command)

    def _end(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as line:
                line.sendall(b"PING\r\n")
                return line.recv(100) != b""
        except OSError:
            return False


class TlsRedis(RedisServer):
    """One that speaks TLS alone."""

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder, *options)
        self._options += ("--port", "0", "--tls-port", str(self.port))

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False
