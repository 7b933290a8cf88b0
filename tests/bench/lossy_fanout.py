"""bench fanout --loss: what of the voice comes through a bad network, on each server, in both directions.

Light clients behind links of the bench's own, with seeds. A packet is delivered when it or a copy came at most IN_TIME_MS
later than packets usually come: about as long as a player's buffer waits on such a network.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import numpy.typing as npt

from tests.bench import fanout, janus, meters
from tests.bench.lean import Lean
from tests.bench.lossy_ears import Copy, Ear, link, resend
from tests.bench.report import Column, Report, Row, number, rounded, times
from tests.bench.servers import Contender
from tests.bench.voice import PACKET_S, Sent, Voice

IN_TIME_MS = 100.0
WARM_UP, COOL_DOWN = 100, 50  # packets
OUTAGE_S, AFTER_S = 2.0, 2.0  # how long; and how long after it what is left of its delay is looked at
DIRECTIONS = ("to the listeners", "from the broadcaster")


@dataclass(frozen=True)
class Came:
    """What became of one listener's packets: per packet of the window the delay in ms (nan: never came) and how it came."""

    delay_ms: npt.NDArray[np.float64]
    how: list[str]


async def report(options: fanout.Options, kind: str) -> Report:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="hushcast-bench-") as name:
        for server, start in fanout.starts(options).items():
            if server == "classic":  # it decodes: there is no telling which packets of it were lost
                continue
            for at, direction in enumerate(DIRECTIONS[:1] if server == "hushcast RED" else DIRECTIONS):  # our voice sends none
                folder = Path(name) / f"{server.replace(' ', '-')}-{at}"
                async with aiohttp.ClientSession() as http, start(meters.Cores(), folder, http) as contender:
                    with meters.pinned(meters.Cores().clients):
                        rows.append(await _run(contender, http, kind, direction, options))
    return Report(f"Behind a bad network: {kind}", rows, _columns(rows), (), [_note(kind)])


async def _run(contender: Contender, http: aiohttp.ClientSession, kind: str, direction: str, options: fanout.Options) -> Row:
    voice, downwards = Voice(contender.mouth), direction == DIRECTIONS[0]
    async with AsyncExitStack() as opened:
        await fanout.until_ready(contender, voice)
        ears, join_ms = await _ears(contender, http, max(options.listeners) if downwards else 1, opened)
        await opened.enter_async_context(_running(resend(voice)))
        await voice.talk(WARM_UP)
        ends: Sequence[Lean] = ears if downwards else [contender.mouth]
        for at, end in enumerate(ends):
            end.link_out, end.link_in = link(kind, 1000 + 2 * at), link(kind, 1001 + 2 * at)
        pids = meters.family(contender.pid)
        before, start = meters.cpu_ns(pids), time.monotonic_ns()
        if kind == "outage":
            await opened.enter_async_context(_running(_outage(ends, options.seconds / 3)))
        sent = await voice.talk(round(options.seconds / PACKET_S))
        cpu_pct = 100 * (meters.cpu_ns(pids) - before) / (time.monotonic_ns() - start)
        await voice.talk(COOL_DOWN)
        found = [_became(ear, sent) for ear in ears]
    row = {"server": contender.name, "loss": kind, "direction": direction, "listeners": len(ears), "cpu_pct": round(cpu_pct, 3)}
    return {**row, **_figures(found), "join_ms": round(join_ms, 2), "delay_after_ms": _delay_after(found, kind, options.seconds)}


async def _ears(contender: Contender, http: aiohttp.ClientSession, count: int, opened: AsyncExitStack) -> tuple[list[Ear], float]:
    """So many listeners, and the median of what a join took, ms."""
    route, ears, took = contender.route, [], []
    spoken = await opened.enter_async_context(janus.Signalling.open(http, route["url"])) if route["kind"] == "janus" else None
    for _ in range(count):
        start = time.perf_counter()
        ear = await opened.enter_async_context(Ear(http, route))
        if spoken is not None:
            await janus.listen(spoken, ear)
        else:
            await ear.listen(route["name"], route["query"], red=route["red"])
        took.append(1000 * (time.perf_counter() - start))
        ears.append(ear)
    return ears, statistics.median(took)


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _outage(ends: Sequence[Lean], begins_s: float) -> None:
    """Nothing passes in either direction for OUTAGE_S."""
    links = [each for end in ends for each in (end.link_out, end.link_in) if each is not None]
    await asyncio.sleep(begins_s)
    for each in links:
        each.cut = True
    await asyncio.sleep(OUTAGE_S)
    for each in links:
        each.cut = False


def _became(ear: Ear, sent: Sent) -> Came:
    """Each packet of the window, as this ear got it."""
    if ear.known is None:
        return Came(np.full(len(sent.at_s), np.nan), [""] * len(sent.at_s))
    offset = ear.known[0] - sent.number_of(ear.known[1], 0)
    copies = [ear.came.get(sent.first + at + offset) for at in range(len(sent.at_s))]
    delays = [1000 * (copy.at_s - at_s) if copy else np.nan for copy, at_s in zip(copies, sent.at_s, strict=True)]
    how = ["resent" if copy.how == "sent" and lost else copy.how for copy, lost in zip(map(_or_never, copies), sent.lost, strict=True)]
    return Came(np.array(delays), how)


def _or_never(copy: Copy | None) -> Copy:
    return copy or Copy(np.nan, "")


def _figures(found: Sequence[Came]) -> Row:
    """lost: first copies that never came; recovered: of these, how many a copy replaced in time."""
    delays = np.array([each.delay_ms for each in found])
    how = np.array([each.how for each in found])
    usual = float(np.nanmedian(delays[how == "sent"])) if (how == "sent").any() else 0.0
    in_time, lost = delays <= usual + IN_TIME_MS, how != "sent"
    came = delays[~np.isnan(delays)]
    last = np.nanmax(delays, axis=0, where=~np.isnan(delays), initial=0.0)
    quantiles = {"p50": np.median(came), "p99": np.percentile(came, 99), "last_p99": np.percentile(last, 99)} if came.size else {}
    return {
        "delivered_pct": round(100 * float(in_time.mean()), 3),
        "lost_pct": round(100 * float(lost.mean()), 3),
        "recovered_pct": rounded(100 * float((in_time & lost).sum() / lost.sum()) if lost.any() else np.nan, 2),
        "by_red_pct": round(100 * float((how == "red").mean()), 3),
        "by_resending_pct": round(100 * float((how == "resent").mean()), 3),
        "latency_ms": {name: round(float(value), 3) for name, value in quantiles.items()},
    }


def _delay_after(found: Sequence[Came], kind: str, seconds: float) -> float | None:
    """How much later packets come AFTER_S after an outage than before it, ms."""
    if kind != "outage":
        return None
    begin, end = round(seconds / 3 / PACKET_S), round((seconds / 3 + OUTAGE_S + AFTER_S) / PACKET_S)
    before = [each.delay_ms[:begin] for each in found]
    after = [each.delay_ms[end:] for each in found]
    return rounded(float(np.nanmedian(after) - np.nanmedian(before)), 2) if after[0].size else None


def _columns(rows: Sequence[Row]) -> list[Column]:
    base = {row["direction"]: 100 - row["delivered_pct"] for row in reversed(rows)}
    columns = [
        Column("server", lambda row: row["server"]),
        Column("bad network", lambda row: row["direction"]),
        Column("listeners", lambda row: str(row["listeners"])),
        Column("lost", lambda row: number(row["lost_pct"], 2, " %")),
        Column("by RED", lambda row: number(row["by_red_pct"], 2, " %")),
        Column("resent", lambda row: number(row["by_resending_pct"], 2, " %")),
        Column("recovered in time", lambda row: number(row["recovered_pct"], 1, " %")),
        Column("delivered in time", lambda row: number(row["delivered_pct"], 2, " %")),
        Column("missing, ratio", lambda row: times(100 - row["delivered_pct"], base[row["direction"]])),
        Column("p50 ms", lambda row: number(row["latency_ms"].get("p50"), 1)),
        Column("p99 ms", lambda row: number(row["latency_ms"].get("p99"), 1)),
        Column("CPU", lambda row: number(row["cpu_pct"], 2, " %")),
    ]
    if any(row["delay_after_ms"] is not None for row in rows):
        columns.append(Column("delay left after it", lambda row: number(row["delay_after_ms"], 1, " ms")))
    return columns


def _note(kind: str) -> str:
    what = {
        "none": "No loss: what the machine itself costs.",
        "burst": "10 % lost in bursts of 3 in the mean (Gilbert-Elliott), each way.",
        "jitter": "Each datagram takes up to 60 ms, evenly distributed; they overtake each other.",
        "outage": f"Nothing passes for {OUTAGE_S:g} s; what was said meanwhile is lost, or comes too late.",
    }.get(kind, f"{kind} % lost at random, each way.")
    return (
        f"{what} In time: at most {IN_TIME_MS:g} ms later than packets usually come. Seeds are fixed; nothing is played or concealed here."
    )
