"""Fixtures for everybody: sound, weights, the real server, a real browser; and the proof that a test leaves nothing behind."""

import asyncio
import ctypes
import gc
import logging
import os
import platform
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from db.postgres import PostgresEngine
from tests.support import postgres, retried, s3, side_by_side
from tests.support.leaks import RUN, processes, snapshot
from tests.support.loop_watch import LoopWatch
from tests.support.running import ROOT, Server

asyncio.constants.DEBUG_STACK_DEPTH = 2  # of each callback asyncio's debugging keeps where it comes from, not the whole way there
if side_by_side.WORKER in os.environ or RUN not in os.environ:  # each process of a run has its own things
    os.environ[RUN] = f"{os.getpid()}-{time.time_ns()}"

StartServer = Callable[..., Awaitable[Server]]
Visit = Callable[..., Awaitable[Page]]

SAID_LINES = 100  # of a server's log, beside a failure
CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
CHROMIUM_FLAGS = (
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


def pytest_make_parametrize_id(val: object) -> str | None:
    """A test has the same name in every process of a run: long bytes, which may be made anew in each, are not in it."""
    return "bytes" if isinstance(val, bytes) and len(val) > 64 else None


def pytest_configure(config: pytest.Config) -> None:
    if not config.pluginmanager.is_registered(retried):
        config.pluginmanager.register(retried, "tests.support.retried")
    if not config.pluginmanager.is_registered(side_by_side):
        config.pluginmanager.register(side_by_side, "tests.support.side_by_side")


@pytest.fixture(scope="session")
def stretch() -> float:
    """The unit of all waits: HUSHCAST_TEST_STRETCH on a machine that is slow."""
    return float(os.environ.get("HUSHCAST_TEST_STRETCH", "1"))


@pytest.fixture(scope="session")
def models_folder() -> Path:
    """The folder with the weights of the models."""
    return _shared("HUSHCAST_TEST_MODELS", "models")


@pytest.fixture(scope="session")
def audio_folder() -> Path:
    """The folder with clean_*.wav, noise_*.wav and noisy_snr0.wav, 48 kHz."""
    return _shared("HUSHCAST_TEST_AUDIO", "audio")


def _shared(variable: str, name: str) -> Path:
    folder = Path(os.environ.get(variable) or ROOT.parent / "shared" / name)
    if not folder.is_dir():
        pytest.skip(f"{variable} names no folder")
    return folder


def missing_program(name: str) -> NoReturn:
    """A program that the tests need and `run.py test` should have got: skipped with the reason, failed where CI is set."""
    reason = f"{name} is not installed; `python3 run.py test` says how"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres_server(stretch: float) -> Iterator[postgres.Postgres]:
    """A real PostgreSQL, with the database `hushcast` of today's schema as a template."""
    if postgres.program("initdb") is None:
        missing_program("PostgreSQL (Debian's package postgresql)")
    with postgres.running(stretch) as server:
        server.do("CREATE DATABASE hushcast")
        PostgresEngine(server.url("hushcast")).prepare()
        yield server


@pytest.fixture
def postgres_url(postgres_server: postgres.Postgres) -> Iterator[str]:
    """The URL of a fresh copy of the template."""
    with postgres_server.database("hushcast") as name:
        yield postgres_server.url(name)


@pytest.fixture(scope="session")
def s3_server(stretch: float) -> Iterator[s3.S3Server]:
    """A real server that speaks S3."""
    with s3.running(stretch) as server:
        yield server


@pytest.fixture
async def s3_proxy(s3_server: s3.S3Server) -> AsyncIterator[s3.S3Proxy]:
    """A bucket of the test's own, behind a proxy that fails as it is told."""
    async with s3.proxied(s3_server) as proxy:
        yield proxy


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> str:
    """A test that uses it runs once on each kind of database. The server is started before the test looks at what is running."""
    if request.param == "postgres":
        request.getfixturevalue("postgres_server")
    return str(request.param)


@pytest.fixture
def place(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a test's own empty database is: a file that does not exist yet, or the URL of a fresh copy of the template."""
    if engine == "sqlite":
        return tmp_path / "x.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(autouse=True)
def plain_floats() -> None:
    """Every test begins with IEEE 754 as it is written: ONNX Runtime, once loaded, has this thread flush small numbers to zero."""
    set_environment = getattr(ctypes.CDLL(None), "fesetenv", None)
    if set_environment is not None and platform.libc_ver()[0] == "glibc":
        set_environment(ctypes.c_void_p(-1))  # FE_DFL_ENV


@pytest.fixture(autouse=True)
async def nothing_left(request: pytest.FixtureRequest, stretch: float) -> AsyncIterator[None]:
    """No task, child process, descriptor, shared memory, traceback in the log or held loop is left by any test."""
    tolerated = {check for marker in request.node.iter_markers("tolerates") for check in marker.args}
    older, before = processes(), snapshot()
    watch, errors = LoopWatch(stretch), _Errors()
    loop = asyncio.get_running_loop()
    loop.slow_callback_duration = 10.0  # LoopWatch knows better
    loop.set_exception_handler(lambda _, context: errors.found.append(repr(context)))
    logging.getLogger().addHandler(errors)
    watch.start()
    try:
        yield
        left = snapshot(older).gained_since(before, tolerated)
        deadline = time.monotonic() + 5 * stretch
        while left and time.monotonic() < deadline:
            gc.collect()
            await asyncio.sleep(0.02)
            left = snapshot(older).gained_since(before, tolerated)
    finally:
        held = watch.stop()
        logging.getLogger().removeHandler(errors)
        loop.set_exception_handler(None)
    left += [f"errors: {error}" for error in errors.found if "errors" not in tolerated]
    left += [f"loop: {each}" for each in held if "loop" not in tolerated]
    if left:
        pytest.fail("left behind:\n  " + "\n  ".join(left), pytrace=False)


class _Errors(logging.Handler):
    """Keeps every log record that carries a traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[0]:
            self.found.append(self.format(record))


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path, stretch: float) -> Iterator[StartServer]:
    """`await server({"broadcast.grace_s": 2})` starts a real server; all are ended by SIGTERM and may not have logged a traceback.

    The exported models are kept in the checkout's own cache, for making them takes longer than most tests.
    """
    servers: list[Server] = []

    async def start(settings: dict[str, object] | None = None, **environment: str) -> Server:
        folder = tmp_path / f"server{len(servers)}"
        (folder / "var").mkdir(parents=True)
        (ROOT / "var" / "cache").mkdir(parents=True, exist_ok=True)
        (folder / "var" / "cache").symlink_to(ROOT / "var" / "cache")
        models = {"models.path": [str(request.getfixturevalue("models_folder"))]}
        servers.append(Server(folder, {**models, **(settings or {})}, environment, stretch))
        return await servers[-1].start()

    yield start
    tolerated = {check for marker in request.node.iter_markers("tolerates") for check in marker.args}
    for each in servers:
        print(f"{each.url} said:", *each.log.splitlines()[-SAID_LINES:], sep="\n")  # shown where the test fails
        each.stop()
        assert "errors" in tolerated or "Traceback (most recent call last)" not in each.log, each.log


@pytest.fixture(scope="session")
async def browser(audio_folder: Path) -> AsyncIterator[Browser]:
    """Chromium, headless, its microphone playing noisy_snr0.wav over and over."""
    async with chromium(audio_folder / "noisy_snr0.wav") as launched:
        yield launched


@asynccontextmanager
async def chromium(microphone: Path) -> AsyncIterator[Browser]:
    """A headless Chromium whose microphone plays that file over and over."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        missing_program("Chromium")
    flags = [*CHROMIUM_FLAGS, f"--use-file-for-fake-audio-capture={microphone}"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")
    expect.set_options(timeout=20_000)  # no page is judged by how soon it is right
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=program, args=flags, ignore_default_args=["--mute-audio"])
        yield launched
        await launched.close()


@pytest.fixture
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """`page = await visit(url)`: somebody with a browser profile of her own; at the end no page may have had an uncaught error."""
    contexts, errors = [], []

    async def open_page(url: str = "about:blank", **options: Any) -> Page:
        context = await browser.new_context(**{"ignore_https_errors": True, "permissions": ["microphone"], **options})
        contexts.append(context)
        page = await context.new_page()
        page.on("pageerror", lambda error: errors.append(f"{error.name}: {error.message}\n{error.stack}"))
        await page.goto(url)
        return page

    yield open_page
    for context in contexts:
        with suppress(TimeoutError):  # a test may hold a request back for good
            async with asyncio.timeout(3):
                for page in context.pages:
                    await page.unroute_all(behavior="wait")  # a handler that is cut off would stay as a task for ever
        await context.close()
    assert not errors, "\n".join(errors)
