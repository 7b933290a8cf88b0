"""bench page: how soon the page can be used on slow 4G and a slow processor, beside an empty page of its weight and another build."""

import os
import shutil
import statistics
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, async_playwright

from tests.bench import empty_page, slow_visit
from tests.bench.against import HERE, THERE
from tests.bench.asked import Refused
from tests.bench.progress import Progress
from tests.bench.report import Chart, Column, Report, Row, Series, number
from tests.bench.slow_visit import Visited
from tests.conftest import CHROMIUM
from tests.support.people import befriend, signed_up
from tests.support.running import ROOT, Server

EMPTY = "an empty page"
MOST_OF_EMPTY, MOST_OF_BEFORE, MOST_REQUESTS, MOST_KB = 1.8, 0.5, 12, 60
FLAGS = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
_SHOWN = 12  # requests of a visit in the notes


@dataclass(frozen=True)
class Options:
    """against: another checkout with its .venv. rounds: visits of each page."""

    against: Path | None = None
    rounds: int = 7


@dataclass
class Way:
    """One page of one build. controls: the text of its main one, as some build has it. cookies: of whoever is signed in.

    first, later: visits with an empty cache, and with what those have left in it.
    """

    build: str
    page: str
    url: str
    controls: list[str]
    cookies: list[dict[str, str]] = field(default_factory=list)
    first: list[Visited] = field(default_factory=list)
    later: list[Visited] = field(default_factory=list)


async def report(options: Options) -> Report:
    """Raises Refused."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        raise Refused("it takes Chromium: on Debian apt-get install chromium")
    if options.against is not None:
        _check(options.against)
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with AsyncExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="hushcast-bench-")))
        ways = [way async for way in _ways(folder, options.against, opened)]
        playwright = await opened.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=program, args=flags)
        await _rounds(browser, ways, options.rounds)
        await browser.close()
    return as_report(ways, options)


def _check(folder: Path) -> None:
    if not (folder / "web" / "serve.py").is_file():
        raise Refused(f"{folder} is no checkout of Hushcast")
    if not os.access(folder / ".venv" / "bin" / "python", os.X_OK):
        raise Refused(f"{folder} has no .venv yet: `python3 run.py bench --help` in it makes one")


async def _ways(folder: Path, against: Path | None, opened: AsyncExitStack) -> AsyncIterator[Way]:
    """Each page, of a server that runs until `opened` is closed."""
    empty = await opened.enter_async_context(_running(folder / "empty", ROOT, "tests.bench.empty_page"))
    yield Way(EMPTY, "", f"{empty.url}/", [empty_page.BUTTON])
    for build, checkout in ((HERE, ROOT), *([(THERE, against.absolute())] if against is not None else [])):
        server = await opened.enter_async_context(_running(folder / build, checkout))
        yield Way(build, "login", f"{server.url}/login", ["Log in"])
        async with signed_up(server.url, "ada") as person, signed_up(server.url, "bea") as friend:
            await befriend(person, friend)
            cookies = [{"name": each.key, "value": each.value, "url": server.url} for each in person.http.cookie_jar]
        yield Way(build, "home", f"{server.url}/", ["Open your studio", "Start Streaming"], cookies)


@asynccontextmanager
async def _running(folder: Path, checkout: Path, module: str = "web.serve") -> AsyncIterator[Server]:
    folder.mkdir()
    server = Server(folder, {}, {}, float(os.environ.get("HUSHCAST_TEST_STRETCH", "1")))
    server.root, server.module = checkout, module
    if checkout != ROOT:
        server.python = str(checkout / ".venv" / "bin" / "python")
    try:
        yield await server.start()
    finally:
        server.stop()


async def _rounds(browser: Browser, ways: Sequence[Way], rounds: int) -> None:
    """All pages in turn, the other way round in every second round; an unmeasured round first, as servers and browser warm up in it."""
    progress = Progress()
    for turn in range(rounds + 1):
        for way in ways if turn % 2 else ways[::-1]:
            progress.now(f"round {turn} of {rounds}: {way.build} {way.page}")
            context = await browser.new_context()
            try:
                await context.add_cookies(way.cookies)  # type: ignore[arg-type]
                visits = [await slow_visit.visit(context, way.url, way.controls) for _ in range(2)]
            finally:
                await context.close()
            if turn:
                way.first.append(visits[0])
                way.later.append(visits[1])
        progress.done(f"round {turn} of {rounds}")


def as_report(ways: Sequence[Way], options: Options) -> Report:
    """One row a page."""
    rows = [_row(way, ways) for way in ways]
    columns = [
        Column("page", lambda row: f"{row['build']} {row['page']}".strip()),
        Column("interactive", lambda row: number(row["first_ms"], 0, " ms")),
        Column("to empty", lambda row: number(row["to_empty"], 2, "x")),
        Column("to the other", lambda row: number(row["to_other"], 2, "x")),
        Column("requests", lambda row: str(row["requests"])),
        Column("code", lambda row: number(row["code_kb"], 1, " kB")),
        Column("second visit", lambda row: number(row["later_ms"], 0, " ms")),
        Column("its requests", lambda row: str(row["later_requests"])),
        Column("its code", lambda row: number(row["later_code_kb"], 1, " kB")),
        Column("rounds", lambda row: " ".join(f"{each:.0f}" for each in row["first_ms_of_rounds"])),
    ]
    chart = Chart(
        "Until the page can be used (shorter is better)",
        "",
        "ms, median",
        [Series("ms", [(f"{row['build']} {row['page']}".strip(), row["first_ms"]) for row in rows])],
    )
    notes = [
        f"{slow_visit.LATENCY_MS} ms, {slow_visit.DOWN_BITS_S / 1e6} Mbit/s down, a processor {slow_visit.SLOWER} times slower; "
        f"medians of {options.rounds} rounds in turn, ratios those of each round.",
        "Interactive: the main control is seen and answers a click.",
        f"Asked: at most {MOST_OF_EMPTY} of the empty page, {MOST_OF_BEFORE} of the build before, {MOST_REQUESTS} requests until then, "
        f"{MOST_KB} kB of scripts and styles, and none at the second visit.",
        *(_told(way) for way in ways if way.build == HERE),
    ]
    return Report("How soon the page can be used on slow 4G", rows, columns, [chart], notes)


def _row(way: Way, ways: Sequence[Way]) -> Row:
    def ratio(build: str, page: str) -> float | None:
        other = next((each for each in ways if (each.build, each.page) == (build, page)), None)
        if way.build != HERE or other is None:
            return None
        return round(statistics.median(a.interactive_ms / b.interactive_ms for a, b in zip(way.first, other.first, strict=True)), 3)

    return {
        "build": way.build,
        "page": way.page,
        "first_ms": round(statistics.median(each.interactive_ms for each in way.first)),
        "to_empty": ratio(EMPTY, ""),
        "to_other": ratio(THERE, way.page),
        "requests": max(len(each.requests) for each in way.first),
        "code_kb": round(max(each.code_bytes for each in way.first) / 1000, 1),
        "later_ms": round(statistics.median(each.interactive_ms for each in way.later)),
        "later_requests": max(len(each.requests) for each in way.later),
        "later_code_kb": round(max(each.code_bytes for each in way.later) / 1000, 1),
        "first_ms_of_rounds": [round(each.interactive_ms) for each in way.first],
    }


def _told(way: Way) -> str:
    """What the median visit has asked for until it was interactive, and when."""
    middle = sorted(way.first, key=lambda each: each.interactive_ms)[len(way.first) // 2]
    asked = [f"{urlsplit(url).path} {start:.0f}-{'' if end is None else f'{end:.0f}'}" for url, start, end in middle.requests[:_SHOWN]]
    return f"Requests of {way.page}, ms: {', '.join(asked)}."
