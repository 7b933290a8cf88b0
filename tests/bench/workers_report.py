"""bench workers for people: a table with ratios to torch, histograms, and a bar of voices a core."""

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tests.bench.engines import EAGER
from tests.bench.histograms import Strip, histograms
from tests.bench.report import Chart, Column, Drawing, Report, Row, Series, number

if TYPE_CHECKING:
    from tests.bench.workers import Found, Options

NOTES = (
    "tight, paced: milliseconds that one hop of 10 ms takes, called back to back, or woken every 10 ms as in life. x: as many times what "
    "torch eager takes for the same model in the same rounds (for others: for the first model).",
    "offline: the time of a call spread over the hops in it. They come in one burst, and as late as the delay says.",
    "of 16: a voice's part of a hop of sixteen voices in one call. packet: from the first ring to the second, the model's delay apart.",
    "PSS: of the nursery and its first worker, and of each further one, in 10^6 bytes. start: asked for → first hops done.",
    "voices: paced voices, Opus both ways, that one core holds with 99 % of the packets from ring to ring in 20 ms, so many in a process.",
)


def report(found: Sequence["Found"], rows: Sequence[Row], asked: "Options") -> Report:
    by_name = {each.name: each for each in found}
    bases = [each for each in found if each.name.startswith(EAGER)]

    def ratio(row: Row, kind: str) -> str:
        mine = by_name[row["denoiser"]]
        family = next((base for base in bases if row["denoiser"].endswith(" " + base.name.removeprefix(EAGER))), None)
        base = family or by_name.get(EAGER + mine.name) or (bases[0] if bases else None)
        both = zip(getattr(mine, kind), getattr(base, kind.removeprefix("batch_")), strict=True) if base else ()
        ratios = [float(np.median(ours) / np.median(theirs)) for ours, theirs in both]
        return f"{statistics.median(ratios):.2f}x" if ratios else "-"

    def pair(value: dict[str, float] | None, digits: int = 2) -> str:
        return "-" if value is None else " / ".join(f"{each:.{digits}f}" for each in value.values())

    def batch(row: Row, kind: str) -> str:
        values = getattr(by_name[row["denoiser"]], kind)
        return f"{statistics.median(float(np.median(each)) for each in values):.3f} {ratio(row, kind)}" if values else "-"

    columns = [
        Column("denoiser", lambda row: row["denoiser"]),
        Column("delay", lambda row: str(row["latency_samples"])),
        Column("tight p50 / p99", lambda row: pair(row["tight_ms"], 3)),
        Column("x", lambda row: ratio(row, "tight")),
        Column("paced p50 / p99", lambda row: pair(row["paced_ms"], 3)),
        Column("x", lambda row: ratio(row, "paced")),
        Column("of 16: tight", lambda row: batch(row, "batch_tight")),
        Column("paced", lambda row: batch(row, "batch_paced")),
        Column("packet p50 / p99", lambda row: pair(row["packet_ms"])),
        Column("CPU", lambda row: number(row["cpu_pct"], 1, " %")),
        Column("PSS first / further", lambda row: pair(row["pss_mb"], 1)),
        Column("start", lambda row: number(row["start_ms"], 0, " ms")),
        Column("SI-SDR gain", lambda row: number(row["si_sdr_gain_db"], 2, " dB")),
        Column("PESQ", lambda row: number(row["pesq"], 3)),
        Column("STOI", lambda row: number(row["stoi"], 4)),
        Column(f"voices, share {' / '.join(map(str, asked.shares))}", lambda row: pair(row["streams_per_core"], 0)),
    ]
    title = f"Denoise workers: medians of {asked.rounds} interleaved rounds, voices in windows of {asked.seconds:g} s"
    return Report(title, list(rows), columns, _charts(found, asked), list(NOTES))


def _charts(found: Sequence["Found"], asked: "Options") -> list[Chart | Drawing]:
    charts: list[Chart | Drawing] = []
    ours = [each for each in found if each.streams]
    if ours and asked.shares:
        held = {share: [(each.name, float((each.streams or {})[str(share)])) for each in ours] for share in asked.shares}
        series = [Series(f"{share} a process", points) for share, points in held.items()]
        charts.append(Chart("Voices that one core holds (higher is better)", "", "voices", series))
    for kind, what, axis in (
        ("packet", "A packet of 20 ms from ring to ring", "ms"),
        ("paced", "A hop of 10 ms, woken as in life", "ms of processor; above 10 a core cannot follow"),
        ("tight", "A hop of 10 ms, back to back", "ms of processor; above 10 a core cannot follow"),
    ):
        strips = [Strip(each.name, np.concatenate(getattr(each, kind)).tolist()) for each in found if getattr(each, kind)]
        if strips:
            heading = f"{what} (left is better; green: the median, red: 99 % are faster)"
            charts.append(Drawing(heading, histograms(strips, axis, heading)))
    return charts
