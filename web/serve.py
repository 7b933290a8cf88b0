"""The server process from start to end: settings, port, certificate, app, signals. `python -m web.serve --config FILE`."""

import argparse
import asyncio
import errno
import fcntl
import gc
import logging
import os
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

if __name__ == "__main__":
    from web import quick_start  # noqa: F401  before all that takes time

from aiohttp import web
from uvloop import new_event_loop  # asyncio's loop in C: less to be found again at each wake-up, and those cost more than packets

from db.errors import Unavailable, Unusable
from sfu.config.load import load
from sfu.config.schema import Config, HttpConfig
from sfu.errors import ConfigError
from web.accounts.claims import told_at_start
from web.app import make_app
from web.connections import Connections
from web.http.addresses import in_url, is_loopback, is_wildcard, served_at
from web.http.metrics import METRICS
from web.http.origin import ADDRESSES
from web.http.tls import tls_context
from web.http.tls_renewal import TlsRenewal
from web.keys import SWITCHBOARD
from web.media import MEDIA_SOCKETS
from web.operations import READINESS, drain
from web.private_folder import private
from workers.hugepages import collapse, grow_large
from workers.root import ROOT

logger = logging.getLogger(__name__)

CONFIG_FILE = ROOT / "config.toml"
CONNECTIONS_S = 3.0  # how long open requests may go on after the signal
DRAIN_S = 0.3  # /readyz says 503 for so long before the door closes, so that the next request of a balancer that asks sees it
END_S = 9.0  # everything closed; a service supervisor waits 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit status: 0, 2 for a bad setting or database, 1 for an end that took too long."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it asks for the certificate to be read again, which is about to be read
    parser = argparse.ArgumentParser(prog="run.py serve", description="Serve Hushcast.")
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="settings (default: config.toml beside run.py)")
    file: Path = parser.parse_args(arguments).config
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        config = load(file)
        _raise_limit_of_files()
        with ExitStack() as opened:
            opened.enter_context(private(config.storage.path, deep=True))
            opened.enter_context(claimed(config.storage.path))
            context = tls_context(config.http, config.storage.path)
            sockets = [opened.enter_context(each) for each in bind(config.http)]
            with asyncio.Runner(debug=False, loop_factory=new_event_loop) as runner:
                return runner.run(serve(config, sockets, context))
    except (ConfigError, Unusable) as error:
        print(f"hushcast: {error}", file=sys.stderr)
        return 2
    except Unavailable as error:
        print(f"hushcast: the database cannot be opened now: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.filename is None:
            raise
        print(f"hushcast: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2


async def serve(config: Config, sockets: Sequence[socket.socket], context: ssl.SSLContext | None) -> int:
    """Start the app, say where, wait for a signal, close. Raises what the app's start raises, after closing what was open."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = runner_of(make_app(config))
    try:
        await runner.setup()
        settle()
        async with doors_of(runner, sockets, context) as doors, TlsRenewal(config.http, config.storage.path, doors.serve_with) as renewal:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, renewal.ask)
            runner.app[SWITCHBOARD].await_returns()  # whoever was on air could not come back before
            port, secure = sockets[0].getsockname()[1], context is not None
            say_where(config.http, port, secure=secure, more=await told_at_start(runner.app, config, port, secure=secure))
            await asyncio.to_thread(collapse)  # a tenth of a second, for which nobody has to wait
            await stop.wait()
            logger.info("closing")
            await drain(runner.app)
            if runner.app[READINESS].asked:
                await asyncio.sleep(DRAIN_S)
    finally:
        ended = await _closed_in_time(runner)
    return 0 if ended else 1


def runner_of(app: web.Application) -> web.AppRunner:
    """What speaks HTTP for the app, once it is set up and has doors; it closes who is in."""
    return web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=CONNECTIONS_S)


def doors_of(runner: web.AppRunner, sockets: Sequence[socket.socket], context: ssl.SSLContext | None = None) -> Connections:
    """The doors to an app that is set up; their figures are with the app's, and its media plane takes what comes for it."""
    assert runner.server is not None, "not set up"
    media = runner.app.get(MEDIA_SOCKETS)
    if media is not None:
        media.web = [each.getsockname()[:2] for each in sockets]
    doors = Connections(runner.server, sockets, context, runner.app[ADDRESSES].is_trusted, None if media is None else media.take_in)
    runner.app[METRICS].append(doors.samples)
    return doors


def settle() -> None:
    """All is loaded and stays: no collection looks at it any more. What comes is put into large pages.

    A full collection held the loop for 30 ms; a packet that comes after 20 ms of nothing finds its pages sooner.
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
        logger.error("not closed within %s s", END_S)
        return False
    return True


@contextmanager
def claimed(storage: Path) -> Iterator[None]:
    """The folder is this server's alone while it runs; the system lets go of it whatever the end. Raises ConfigError."""
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
    """One line an address, what a browser may do there; `more`; last the line that scripts wait for. A wildcard is shown as loopback.

    First the one that works at once, with a microphone and without a warning, whatever is served elsewhere.
    """
    scheme = "https" if secure else "http"
    works = {f"http://localhost:{port}": True} if serves_localhost(http.host) else {}
    works |= {f"{scheme}://{in_url(address)}:{port}": secure or is_loopback(address) for address in served_at(http.host)}
    if http.public_url:
        works[http.public_url.rstrip("/")] = urlsplit(http.public_url).scheme == "https"
    for address, speaks in works.items():
        print(f"{address}/  {'microphone works' if speaks else 'listening only'}")
    for line in more:
        print(line)
    host = http.host
    if is_wildcard(host):
        host = "::1" if ":" in host else "127.0.0.1"
    print(f"listening {scheme}://{in_url(host)}:{port}/", flush=True)


def serves_localhost(host: str) -> bool:
    """Whether `localhost` leads to a server on this configured host: it has several addresses, and browsers try each."""
    return is_wildcard(host) or host.strip("[]").lower() in ("127.0.0.1", "::1", "localhost")


def _raise_limit_of_files() -> None:
    """As many descriptors as allowed: every listener's WebSocket is one, every denoised broadcast a few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:
            logger.warning("only %s files may be open at once: %s", soft, error)


if __name__ == "__main__":
    sys.exit(main())
