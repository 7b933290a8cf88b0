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
from tests.bench.asked import Refused
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
    """Raises Refused where no server that was asked for can be measured so."""
    if "classic" in options.names:
        raise Refused("--loss leaves the classic way out: it decodes, and there is no telling which packets of it were lost")
    rows: list[Row] = []
    warnings: list[str] = []
    with tempfile.TemporaryDirectory(prefix="hushcast-bench-") as name:
        for server, start in fanout.starts(options).items():
            for at, (direction, count) in enumerate(_cases(server, options.listeners)):
                folder = Path(name) / f"{server.replace(' ', '-')}-{at}"
                async with aiohttp.ClientSession() as http, start(meters.Cores(), folder, http) as contender:
                    with meters.pinned(meters.Cores().clients):
                        row, warning = await _run(contender, http, kind, direction, count, options.seconds)
                rows.append(row)
                warnings += warning
    return Report(f"Behind a bad network: {kind}", rows, _columns(rows), (), [_note(kind)], warnings)


def _cases(server: str, listeners: Sequence[int]) -> list[tuple[str, int]]:
    """Each direction and its numbers of listeners."""
    down, up = DIRECTIONS
    return [(down, count) for count in sorted(listeners)] + ([] if server == "hushcast RED" else [(up, 1)])  # our voice sends no RED


async def _run(
    contender: Contender, http: aiohttp.ClientSession, kind: str, direction: str, count: int, seconds: float
) -> tuple[Row, list[str]]:
    """The row, and why not to trust it."""
    voice, downwards = Voice(contender.mouth), direction == DIRECTIONS[0]
    async with AsyncExitStack() as opened:
        await fanout.until_ready(contender, voice)
        idle_kb = meters.memory_kb(meters.family(contender.pid))
        ears, join_ms = await _ears(contender, http, count, opened)
        await opened.enter_async_context(_running(resend(voice)))
        await voice.talk(WARM_UP)
        ends: Sequence[Lean] = ears if downwards else [contender.mouth]
        for at, end in enumerate(ends):
            end.link_out, end.link_in = link(kind, 1000 + 2 * at), link(kind, 1001 + 2 * at)
        pids = meters.family(contender.pid)
        before, own_before, start = meters.cpu_ns(pids), time.process_time_ns(), time.monotonic_ns()
        if kind == "outage":
            await opened.enter_async_context(_running(_outage(ends, seconds / 3)))
        sent = await voice.talk(round(seconds / PACKET_S))
        took_ns = time.monotonic_ns() - start
        cpu_pct, own_pct = 100 * (meters.cpu_ns(pids) - before) / took_ns, 100 * (time.process_time_ns() - own_before) / took_ns
        await voice.talk(COOL_DOWN)
        found = [_became(ear, sent) for ear in ears]
        held_kb = (meters.memory_kb(meters.family(contender.pid)) - idle_kb) / len(ears)
    row = {"server": contender.name, "loss": kind, "direction": direction, "listeners": len(ears), "cpu_pct": round(cpu_pct, 3)}
    row |= {**figures(found), "join_ms": round(join_ms, 2), "kb_per_listener": round(held_kb, 1)}
    row |= {"delay_after_ms": _delay_after(found, kind, seconds)}
    return row, _warnings(row, own_pct, sent.late_s)


def _warnings(row: Row, own_pct: float, late_s: float) -> list[str]:
    """own_pct: of its core, of the one process that voice and listeners are in."""
    if own_pct <= fanout.BUSY_PCT and late_s <= fanout.VOICE_LATE_S:
        return []
    how = f"its core {own_pct:.0f} % busy, its voice up to {1000 * late_s:.0f} ms late"
    return [f"{row['server']}, {row['direction']}, {row['listeners']} listeners: the client was the limit ({how})"]


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
    numbers = (sent.first + at + offset for at in range(len(copies)))
    lost = [by_mouth or ear.lost.get(number, False) for by_mouth, number in zip(sent.lost, numbers, strict=True)]
    return Came(np.array(delays), [how(copy, each) for copy, each in zip(copies, lost, strict=True)])


def how(copy: Copy | None, lost: bool) -> str:
    """lost: on the link of who spoke or who heard, when it was sent first. What came late or was asked for in vain is "sent"."""
    if copy is None:
        return ""
    if not lost:
        return "sent"
    return "red" if copy.red else "resent"


def figures(found: Sequence[Came]) -> Row:
    """lost: first copies that never came; recovered: of these, how many a copy replaced in time. None where there is nothing."""
    delays = np.array([each.delay_ms for each in found])
    hows = np.array([each.how for each in found])
    usual = float(np.nanmedian(delays[hows == "sent"])) if (hows == "sent").any() else 0.0
    in_time, lost = delays <= usual + IN_TIME_MS, hows != "sent"
    came, heard = delays[~np.isnan(delays)], delays[:, ~np.isnan(delays).all(axis=0)]  # heard: by anybody at all
    quantiles = dict.fromkeys(("p50", "p99", "last_p99"), np.nan)
    if came.size:
        last = np.nanmax(heard, axis=0)
        quantiles = {"p50": np.median(came), "p99": np.percentile(came, 99), "last_p99": np.percentile(last, 99)}
    return {
        "delivered_pct": round(100 * float(in_time.mean()), 3),
        "lost_pct": round(100 * float(lost.mean()), 3),
        "recovered_pct": rounded(100 * float((in_time & lost).sum() / lost.sum()) if lost.any() else np.nan, 2),
        "by_red_pct": round(100 * float((hows == "red").mean()), 3),
        "by_resending_pct": round(100 * float((hows == "resent").mean()), 3),
        "latency_ms": {name: rounded(float(value), 3) for name, value in quantiles.items()},
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
    base = {_case(row): 100 - row["delivered_pct"] for row in reversed(rows)}
    columns = [
        Column("server", lambda row: row["server"]),
        Column("bad network", lambda row: row["direction"]),
        Column("listeners", lambda row: str(row["listeners"])),
        Column("lost", lambda row: number(row["lost_pct"], 2, " %")),
        Column("by RED", lambda row: number(row["by_red_pct"], 2, " %")),
        Column("resent", lambda row: number(row["by_resending_pct"], 2, " %")),
        Column("recovered in time", lambda row: number(row["recovered_pct"], 1, " %")),
        Column("delivered in time", lambda row: number(row["delivered_pct"], 2, " %")),
        Column("missing, ratio", lambda row: times(100 - row["delivered_pct"], base[_case(row)])),
        Column("p50 ms", lambda row: number(row["latency_ms"]["p50"], 1)),
        Column("p99 ms", lambda row: number(row["latency_ms"]["p99"], 1)),
        Column("CPU", lambda row: number(row["cpu_pct"], 2, " %")),
        Column("KiB", lambda row: number(row["kb_per_listener"], 0)),
    ]
    if any(row["delay_after_ms"] is not None for row in rows):
        columns.append(Column("delay left after it", lambda row: number(row["delay_after_ms"], 1, " ms")))
    return columns


def _case(row: Row) -> tuple[str, int]:
    """What a row can be compared within."""
    return row["direction"], row["listeners"]


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
