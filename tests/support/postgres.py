"""A real PostgreSQL for the tests: a data directory of its own, a free port of loopback, nothing that outlives the run."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg

from tests.support.running import free_port

ACCOUNT = "postgres"  # of the package: the server refuses to run as root
PLACES = "/usr/lib/postgresql"  # Debian's, which are not in PATH
FAST = "fsync=off synchronous_commit=off full_page_writes=off max_connections=200 shared_buffers=32MB autovacuum=off".split()
# The role `locked` has a password, `secret` would need TLS, everybody else is trusted.
HBA = "local all all trust\nhost all locked 127.0.0.1/32 scram-sha-256\nhost all secret 127.0.0.1/32 reject\n"
HBA += "host all all 127.0.0.1/32 trust\n"
START_S = 30.0


def program(name: str) -> str | None:
    """The path of one of PostgreSQL's programs, of the newest version; None where there is none."""
    versions = sorted(Path(PLACES).glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*map(str, versions), os.environ.get("PATH", "")]))


class Postgres:
    """One server. Start it, make databases, end it."""

    def __init__(self, stretch: float) -> None:
        self.port = free_port()
        self._stretch = stretch
        self._folder = Path(tempfile.mkdtemp(prefix="hushcast-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._who: dict[str, str] = {"user": ACCOUNT, "group": ACCOUNT} if os.geteuid() == 0 else {}
        if self._who:
            shutil.chown(self._folder, ACCOUNT, ACCOUNT)
        make = [str(program("initdb")), "-D", str(self.data), "-U", "hushcast", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
        subprocess.run(make, check=True, capture_output=True, cwd=self._folder, **self._who)  # type: ignore[call-overload]
        (self.data / "pg_hba.conf").write_text(HBA)

    @property
    def data(self) -> Path:
        return self._folder / "data"

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self, *settings: str) -> None:
        """Start, or start again, and wait until it answers. settings: more of them, NAME=VALUE."""
        options = [part for setting in (*FAST, *settings) for part in ("-c", setting)]
        command = [str(program("postgres")), "-D", str(self.data), "-p", str(self.port), "-k", str(self._folder), "-h", "127.0.0.1"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command + options, stdout=log, stderr=log, cwd=self._folder, **self._who)  # type: ignore[call-overload]
        deadline = time.monotonic() + START_S * self._stretch
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline and self._process.poll() is None, (self._folder / "log").read_text()
                time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it, fast by default; SIGQUIT: at once, as by a crash."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(START_S * self._stretch)

    def pause(self) -> None:
        """SIGSTOP of all its processes: it takes connections and answers nothing."""
        for each in self._family():
            with suppress(psutil.NoSuchProcess):
                each.suspend()

    def go_on(self) -> None:
        """SIGCONT."""
        for each in self._family():
            with suppress(psutil.NoSuchProcess):
                each.resume()

    def _family(self) -> list[psutil.Process]:
        top = psutil.Process(self.pid)
        return [top, *top.children(recursive=True)]

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def url(self, database: str, user: str = "hushcast") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def do(self, statement: str, database: str = "postgres") -> None:
        """A statement outside of a transaction, by the superuser."""
        with closing(psycopg.connect(self.url(database), autocommit=True)) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """The name of a database that is removed at the end."""
        name = f"test{next(self._numbers)}"
        self.do(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield name
        finally:
            self.do(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def running(stretch: float, *settings: str) -> Iterator[Postgres]:
    """A server for as long as the block. settings: as of `start`."""
    server = Postgres(stretch)
    try:
        server.start(*settings)
        yield server
    finally:
        server.remove()
