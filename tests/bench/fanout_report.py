"""bench fanout for people: a table with ratios to the first server, and charts over the number of listeners."""

import math
import statistics
from collections.abc import Callable, Sequence

from tests.bench import meters
from tests.bench.fanout import Cost, Options
from tests.bench.report import Chart, Column, Report, Row, Series, number, times

NOTES = (
    "CPU: user and system time of the server and its children, % of the one core they have to themselves; the clients are on the other.",
    "Latency: from the kernel's stamp of the packet that the broadcaster sends to its stamp of the one in the listener's socket.",
    "last: of each packet, the listener who got it last. join: offer posted to keys agreed, the client's own work in it.",
    "KiB a listener: anonymous memory over that without listeners. A ratio above 1.00x: as many times hushcast's figure.",
)


def report(costs: Sequence[Cost], options: Options) -> Report:
    rows = [cost.as_json() for cost in costs]
    extra = {id(row): cost for row, cost in zip(rows, costs, strict=True)}
    first = {row["listeners"]: row for row in reversed(rows)}  # what the others are compared with

    def ratio(row: Row, *path: str) -> str:
        mine, base = row, first[row["listeners"]]
        for key in path:
            mine, base = mine[key], base[key]
        return times(mine, base)

    def latency(key: str) -> Column:
        return Column(f"{key.removesuffix('_p99')} ms", lambda row: number(row["latency_ms"][key]))

    columns = [
        Column("server", lambda row: row["server"]),
        Column("listeners", lambda row: str(row["listeners"])),
        Column("CPU", lambda row: number(row["cpu_pct"], 2, " %")),
        Column("ratio", lambda row: ratio(row, "cpu_pct")),
        Column("CPU a listener", lambda row: number(row["cpu_pct"] / row["listeners"], 3, " %")),
        Column("delivered", lambda row: number(row["delivered_pct"], 2, " %")),
        latency("p50"),
        Column("ratio", lambda row: ratio(row, "latency_ms", "p50")),
        latency("p99"),
        Column("ratio", lambda row: ratio(row, "latency_ms", "p99")),
        Column("last p99 ms", lambda row: number(row["latency_ms"]["last_p99"])),
        Column("ratio", lambda row: ratio(row, "latency_ms", "last_p99")),
        Column("join ms", lambda row: number(row["join_ms"], 1)),
        Column("ratio", lambda row: ratio(row, "join_ms")),
        Column("join CPU ms", lambda row: number(extra[id(row)].join_cpu_ms, 1)),
        Column("KiB", lambda row: number(row["kb_per_listener"], 0)),
        Column("client's core", lambda row: number(statistics.median(extra[id(row)].client_pct), 0, " %")),
    ]
    names = list(dict.fromkeys(cost.server for cost in costs))

    def lines(value: Callable[[Row], float]) -> list[Series]:
        return [Series(name, [(row["listeners"], value(row)) for row in rows if row["server"] == name]) for name in names]

    charts = [
        Chart("Processor time (lower is better)", "listeners", "% of one core", lines(lambda row: row["cpu_pct"])),
        Chart(
            "The last listener's latency, 99 % of packets (lower is better)",
            "listeners",
            "ms",
            lines(lambda row: row["latency_ms"]["last_p99"] or math.nan),
        ),
        Chart("Memory (lower is better)", "listeners", "KiB a listener", lines(lambda row: row["kb_per_listener"])),
    ]
    title = f"Fan-out of one voice: {options.variant}, medians of {options.rounds} interleaved windows of {options.seconds:g} s"
    warnings = [warning for cost in costs for warning in cost.warnings]
    if meters.Cores().shared:
        warnings.append("There is one core only: server and clients share it, and latencies are no server's.")
    return Report(title, rows, columns, charts, list(NOTES), warnings)
