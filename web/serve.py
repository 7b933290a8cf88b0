"""The server process from start to end: settings, port, certificate, app, signals. `python -m web.serve --config FILE`."""

import argparse
import asyncio
import errno
import fcntl
import gc
import inspect
import logging
import os
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

if __name__ == "__main__":
    from db import driverless  # noqa: F401  before what imports peewee
    from web import quick_start  # noqa: F401  before all that takes time

from aiohttp import web
from uvloop import new_event_loop  # asyncio's loop in C: fewer cache misses at each wake-up, which cost more than the packets

from db.errors import Unavailable, Unusable
from db.opening import refuse_half_restored
from sfu.config.errors import ConfigError
from sfu.config.load import load
from sfu.config.schema import Config, HttpConfig
from web.accounts.claims import told_at_start
from web.acme.keeper import CertificateKeeper, check_installed
from web.app import leave, make_app
from web.connections import Connections
from web.http.addresses import in_url, is_loopback, is_wildcard, served_at
from web.http.metrics import METRICS
from web.http.origin import ADDRESSES
from web.http.tls import tls_context
from web.http.tls_renewal import TlsRenewal
from web.keys import SWITCHBOARD
from web.logs.log import Log, hold_standard_descriptors, say
from web.media import MEDIA_SOCKETS
from web.nodes.membership import name_of
from web.operations import READINESS, drain
from web.private_folder import private
from workers.hugepages import collapse, grow_large
from workers.root import ROOT

logger = logging.getLogger(__name__)

CONFIG_FILE = ROOT / "config.toml"
CONNECTIONS_S = 3.0  # open requests may go on for so long after the signal
DRAIN_S = 0.3  # /readyz answers 503 for so long before the port closes, so that a load balancer sees it
END_S = 9.0  # until everything is closed; service supervisors wait 10 s
WRONG, AWAY = 2, 75  # exit statuses: what no restart mends, and what passes (EX_TEMPFAIL of sysexits.h)
PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EBUSY, errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
TASKS_SAID, FUNCTIONS_SAID = 20, 4  # of those that go on after END_S, and of each


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit status: 0, WRONG for a bad setting or database, AWAY where a later start may go
    well, 1 for an end that took too long.
    """
    hold_standard_descriptors()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it means "reload the certificate", which has not been loaded yet
    parser = argparse.ArgumentParser(prog="run.py serve", description="Serve Hushcast.")
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="settings (default: config.toml beside run.py)")
    file: Path = parser.parse_args(arguments).config
    with Log() as log:
        return _serving(file, log)


def _serving(file: Path, log: Log) -> int:
    """The rest of `main`, with its log."""
    try:
        config = load(file)
        log.configure(config.log)
        _raise_limit_of_files()
        with ExitStack() as opened:
            opened.enter_context(private(config.storage.path, deep=True))
            opened.enter_context(claimed(config.storage.path))
            if config.database.url:
                refuse_half_restored(config.storage.path)
            check_installed(config.http)
            context = tls_context(config.http, config.storage.path)
            sockets = [opened.enter_context(each) for each in bind(config.http)]
            with asyncio.Runner(debug=False, loop_factory=new_event_loop) as runner:
                return runner.run(serve(config, sockets, context, log))
    except (ConfigError, Unusable) as error:
        print(f"hushcast: {error}", file=sys.stderr)
        return WRONG
    except Unavailable as error:
        print(f"hushcast: the database cannot be opened now: {error}", file=sys.stderr)
        return AWAY
    except OSError as error:
        if error.filename is None:
            raise
        print(f"hushcast: {error.filename}: {error.strerror}", file=sys.stderr)
        return AWAY if error.errno in PASSING else WRONG


async def serve(config: Config, sockets: Sequence[socket.socket], context: ssl.SSLContext | None, log: Log) -> int:
    """Start the app, say where, wait for a signal, close; a second signal ends the waiting for other servers.

    Raises what the app's start raises, after closing what was open.
    """
    stop, at_once = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, lambda: (at_once if stop.is_set() else stop).set())
    runner = runner_of(make_app(named(config, sockets[0].getsockname()[1])))
    runner.app[METRICS].append(log.samples)
    try:
        await runner.setup()
        settle()
        port, secure = sockets[0].getsockname()[1], context is not None
        http = replace(config.http, port=port)
        async with (
            connections_of(runner, sockets, context) as connections,
            TlsRenewal(http, config.storage.path, connections.serve_with) as renewal,
            CertificateKeeper(http, config.storage.path, connections.challenges, connections.is_proxy, renewal.ask) as keeper,
        ):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _call_each, renewal.ask, keeper.ask)
            runner.app[SWITCHBOARD].await_returns()  # broadcasters who were on air can reconnect only now
            more = [*keeper.lines, *await told_at_start(runner.app, config, port, secure=secure)]
            say_where(config.http, port, secure=secure, more=more)
            await asyncio.to_thread(collapse)  # takes 0.1 s, after the port is open
            await stop.wait()
            logger.info("closing")
            await leave(runner.app, at_once)
            await drain(runner.app)
            if runner.app[READINESS].asked:
                await asyncio.sleep(DRAIN_S)
    finally:
        ended = await _closed_in_time(runner)
    return 0 if ended else 1


def _call_each(*calls: Callable[[], None]) -> None:
    for call in calls:
        call()


def named(config: Config, port: int) -> Config:
    """The settings with a name for this server among several: that of its host and port where none is set."""
    return config if config.node.name else replace(config, node=replace(config.node, name=name_of(socket.gethostname(), port)))


def runner_of(app: web.Application) -> web.AppRunner:
    """aiohttp's runner for the app. Set it up, then open `connections_of`; its cleanup closes the open connections."""
    return web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=CONNECTIONS_S / 2)  # aiohttp waits for them twice


def connections_of(runner: web.AppRunner, sockets: Sequence[socket.socket], context: ssl.SSLContext | None = None) -> Connections:
    """The connections of an app that is set up. Adds their metrics to the app; ICE over TCP goes to the app's media port."""
    assert runner.server is not None, "not set up"
    media = runner.app.get(MEDIA_SOCKETS)
    if media is not None:
        media.web = [each.getsockname()[:2] for each in sockets]
    connections = Connections(runner.server, sockets, context, runner.app[ADDRESSES].is_trusted, None if media is None else media.take_in)
    runner.app[METRICS].append(connections.samples)
    return connections


def settle() -> None:
    """Exempt everything loaded so far from garbage collection, and let the heap grow in large pages.

    A full collection blocked the loop for 30 ms. Large pages save TLB misses when a packet comes after 20 ms of idling.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
    grow_large()


async def _closed_in_time(runner: web.AppRunner) -> bool:
    try:
        async with asyncio.timeout(END_S):
            await runner.cleanup()
    except TimeoutError:
        going_on = sorted(map(_what, asyncio.all_tasks() - {asyncio.current_task()}))
        logger.error("not closed within %s s; %s tasks go on: %s", END_S, len(going_on), ", ".join(going_on[:TASKS_SAID]))
        return False
    return True


def _what(task: asyncio.Task[object]) -> str:
    """A task's name, and the functions in which it waits, the innermost last: the tasks of requests have no names of their own."""
    within: list[str] = []
    inner: object = task.get_coro()
    while inspect.iscoroutine(inner):
        within.append(inner.__qualname__)
        inner = inner.cr_await
    return f"{task.get_name()} ({' > '.join(within[-FUNCTIONS_SAID:])})"


@contextmanager
def claimed(storage: Path) -> Iterator[None]:
    """Lock the folder for this server. The system releases the lock when the process ends, even if killed. Raises ConfigError."""
    handle = os.open(storage / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ConfigError(f"storage.path: another server is running on {storage}") from error
    finally:
        os.close(handle)


def bind(http: HttpConfig) -> list[socket.socket]:
    """Listening sockets of every address that `http.host` names, all on one port. Raises ConfigError; then none stays open."""
    try:
        found = socket.getaddrinfo(http.host, http.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(f"http.host: {http.host}: {error.strerror}") from error
    port, sockets = http.port, []
    with ExitStack() as opening:
        for family, host in dict.fromkeys((each[0], each[4][0]) for each in found):
            try:
                bound = socket.create_server((str(host), port), family=family, backlog=1024, dualstack_ipv6=host == "::")
            except OSError as error:
                raise ConfigError(_why_not(http, port, error)) from error
            sockets.append(opening.enter_context(bound))
            port = bound.getsockname()[1]
        opening.pop_all()
    return sockets


def _why_not(http: HttpConfig, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"http.port: {port} on {http.host} is in use by another program; choose another, or 0 for a free one"
        case errno.EACCES:
            return f"http.port: {port} needs a right that this user has not; choose one over 1023"
        case errno.EADDRNOTAVAIL:
            return f"http.host: {http.host} is not an address of this machine"
    return f"http.host, http.port: {http.host}:{port}: {error.strerror}"


def say_where(http: HttpConfig, port: int, *, secure: bool, more: Sequence[str] = ()) -> None:
    """Print a line for each address with what a browser may do there, then `more`, then the line that scripts wait for.

    localhost comes first: the microphone works there, without a certificate warning. The last line shows a wildcard as loopback.
    """
    scheme = "https" if secure else "http"
    works = {f"http://localhost:{port}": True} if serves_localhost(http.host) else {}
    works |= {f"{scheme}://{in_url(address)}:{port}": secure or is_loopback(address) for address in served_at(http.host)}
    if http.public_url:
        works[http.public_url.rstrip("/")] = urlsplit(http.public_url).scheme == "https"
    lines = [f"{address}/  {'microphone works' if speaks else 'listening only'}" for address, speaks in works.items()]
    host = http.host
    if is_wildcard(host):
        host = "::1" if ":" in host else "127.0.0.1"
    say(*lines, *more, f"listening {scheme}://{in_url(host)}:{port}/")


def serves_localhost(host: str) -> bool:
    """Whether `localhost` reaches a server that listens on this `http.host`; browsers try each address of localhost."""
    return is_wildcard(host) or host.strip("[]").lower() in ("127.0.0.1", "::1", "localhost")


def _raise_limit_of_files() -> None:
    """Raise the soft limit of open files to the hard one: each WebSocket takes a descriptor, each denoised broadcast a few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:
            logger.warning("only %s files may be open at once: %s", soft, error)


if __name__ == "__main__":
    sys.exit(main())
