"""bench nodes: what several servers cost, and what is heard when one of them, Redis or PostgreSQL is killed."""

import logging
import os
import random
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.bench import nodes_losses, nodes_processor, nodes_restarts, nodes_ways
from tests.bench.nodes_house import TEMPLATE, House, opened
from tests.bench.progress import Progress
from tests.bench.report import Chart, Column, Report, Row, Series, number, times
from tests.support.fences import takeovers

# What is asked of it; a value below is good.
TARGETS = {
    "join_added": 15.0,
    "badge_p99": 100.0,
    "processor_ratio": 2.1,
    "silence_owner": 3.0,
    "length_owner": 1.0,
    "concealed_restart": 200.0,
    "length_restart": 0.2,
    "lost_redis": 0.0,
    "lost_postgres": 0.0,
    "stale_writes": 0.0,
}
WHAT = {
    "join_right": "offer → first packet, through the server that has the broadcast",
    "join_wrong": "offer → first packet, through the other one",
    "join_added": "what the other one adds to that",
    "answer_right": "offer → answer, through the server that has the broadcast",
    "answer_added": "what the other one adds to that",
    "badge_p50": "first packet → badge of a friend at the other server, p50",
    "badge_p99": "first packet → badge of a friend at the other server, p99",
    "processor_one": "of a core, one server by itself with N voices and listeners",
    "processor_two": "of a core, two servers with 2 N of both",
    "processor_ratio": "processor time of two servers against one, median of rounds",
    "processor_delivered": "packets that came meanwhile, worst window",
    "silence_owner": "silence at a listener, kill -9 of the owner",
    "length_owner": "of one death, how much longer or shorter the recording is than the broadcast",
    "concealed_restart": "sound that is late at a listener, both servers restarted one after the other",
    "length_restart": "how much longer or shorter the recording is than the broadcast, after both restarts",
    "silence_redis": "silence at a listener, kill -9 of Redis, empty when it is back",
    "lost_redis": "packets lost meanwhile",
    "silence_postgres": "silence at a listener, crash of PostgreSQL",
    "lost_postgres": "packets lost meanwhile",
    "bench_late": "of both, how late the bench itself was",
    "storm_all": "a storm of listeners through the other server: until all hear",
    "storm_p50": "of these, offer → first packet, p50",
    "storm_p99": "of these, offer → first packet, p99",
    "stale_refused": "writes of an owner of before that were refused",
    "stale_writes": "writes of an owner of before that got through",
}
Values = list[float]


@dataclass
class Options:
    """Everything grows with the rounds. listeners: of the storm, and half of them in the windows of processor time."""

    rounds: int = 10
    listeners: int = 200
    seconds: float = 10.0

    @property
    def tries(self) -> int:
        """Takeovers, among which writes of the owner before are looked for."""
        return 100 * self.rounds


async def report(options: Options) -> Report:
    """Raises Refused."""
    progress, before = Progress(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="hushcast-bench-") as folder:
        async with opened(Path(folder)) as house:
            rows = await _ways(house, options, progress)
            rows += await _processor(house, options, progress)
            rows += await _losses(house, options, progress)
            rows += await _fences(house, options, progress)
    notes = [
        f"{options.rounds} rounds, {options.listeners} listeners in the storm, {options.tries} takeovers. "
        f"N: {nodes_processor.VOICES} voices and {options.listeners // 2} listeners, not denoised. Load before: {before:.1f}."
    ]
    return Report("Several servers", rows, _columns(), [_chart(rows)], notes)


def _columns() -> list[Column]:
    return [
        Column("what", lambda row: WHAT[row["what"]]),
        Column("median", lambda row: number(row["value"], 2 if row["unit"] in ("s", "x") else 1, f" {row['unit']}".rstrip())),
        Column("worst", lambda row: number(row["worst"], 2 if row["unit"] in ("s", "x") else 1, f" {row['unit']}".rstrip())),
        Column("of target", lambda row: times(row["value"], row["target"])),
    ]


def _chart(rows: list[Row]) -> Chart:
    silences = [(row["what"].removeprefix("silence_"), row["value"]) for row in rows if row["what"].startswith("silence_")]
    return Chart("Silence at a listener when this is killed (shorter is better)", "", "s, median", [Series("s", silences)])


def _row(what: str, values: Values, unit: str = "ms") -> Row:
    return {
        "what": what,
        "value": round(statistics.median(values), 3),
        "worst": round(max(values), 3),
        "count": len(values),
        "unit": unit,
        "target": TARGETS.get(what),
    }


async def _ways(house: House, options: Options, progress: Progress) -> list[Row]:
    progress.now("joining through either server")
    joins = await nodes_ways.joins(house, 5 * options.rounds)
    answers = await nodes_ways.answers(house, 20 * options.rounds)
    progress.done("joined through either server")
    progress.now("badges at the other server")
    badges = await nodes_ways.badges(house, 10 * options.rounds)
    progress.done("badges at the other server")
    storm = await nodes_ways.storm(house, options.listeners)
    progress.done("a storm of listeners")
    return [
        _row("join_right", joins["right"]),
        _row("join_wrong", joins["wrong"]),
        _row("join_added", [statistics.median(joins["wrong"]) - statistics.median(joins["right"])]),
        _row("answer_right", answers["right"]),
        _row("answer_added", [statistics.median(answers["wrong"]) - statistics.median(answers["right"])]),
        _row("badge_p50", [float(np.percentile(badges, 50))]),
        _row("badge_p99", [float(np.percentile(badges, 99))]),
        *(_row(f"storm_{name}", [storm[f"{name}_s"]], "s") for name in ("all", "p50", "p99")),
    ]


async def _processor(house: House, options: Options, progress: Progress) -> list[Row]:
    found = await nodes_processor.measure(house, options.rounds, options.seconds, options.listeners // 2)
    progress.done("processor time of two servers and of one")
    return [
        _row("processor_one", [100 * found["one"]], "%"),
        _row("processor_two", [100 * found["two"]], "%"),
        {**_row("processor_ratio", [found["ratio"]], "x"), "worst": round(found["worst"], 3)},
        _row("processor_delivered", [found["delivered_pct"]], "%"),
    ]


async def _losses(house: House, options: Options, progress: Progress) -> list[Row]:
    owner, off_s = await nodes_losses.owner_killed(house, options.rounds)
    progress.done("the owner was killed")
    few = max(1, options.rounds // 3)
    restarts = await nodes_restarts.rolling(house, few)
    progress.done("both servers were restarted, one after the other")
    redis = await nodes_losses.redis_killed(house, few)
    progress.done("Redis was killed")
    postgres = await nodes_losses.postgres_killed(house, few)
    progress.done("PostgreSQL was killed")
    return [
        _row("silence_owner", owner, "s"),
        _row("length_owner", [off_s], "s"),
        _row("concealed_restart", restarts.concealed_ms),
        _row("length_restart", restarts.length_off_s, "s"),
        _row("silence_redis", redis.silences_s, "s"),
        _row("lost_redis", [redis.lost], ""),
        _row("silence_postgres", postgres.silences_s, "s"),
        _row("lost_postgres", [postgres.lost], ""),
        _row("bench_late", [max(redis.late_s, postgres.late_s)], "s"),
    ]


async def _fences(house: House, options: Options, progress: Progress) -> list[Row]:
    logging.getLogger("web.nodes").setLevel(logging.ERROR)  # what is lost is what is wanted here
    with house.postgres.database(TEMPLATE) as name:
        found = await takeovers(options.tries, house.redis, house.postgres.url(name), random.Random(12))
    progress.done("takeovers while the owner before writes")
    return [_row("stale_refused", [found.refused], ""), _row("stale_writes", [found.through], "")]
