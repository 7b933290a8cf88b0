"""bench fanout --loss KIND --browser: what a real player conceals behind a bad network, with redundancy and without."""

import shutil

from tests.bench import fanout, loss
from tests.bench.asked import Refused
from tests.bench.lossy_ears import BURST_SHARE, JITTER_MS
from tests.bench.report import Chart, Column, Report, Row, Series, number, times


def network(kind: str) -> loss.Network:
    """As the light clients' links, for Chromium's proxy. Raises Refused for an outage, which says nothing about concealment."""
    if kind == "outage":
        raise Refused("--loss outage is for light clients: without --browser")
    if kind == "burst":
        return loss.Network(BURST_SHARE, bursts=True)
    if kind == "jitter":
        return loss.Network(jitter_ms=JITTER_MS)
    return loss.Network(int(kind) / 100 if kind.isdigit() else 0.0)


async def report(options: fanout.Options, kind: str) -> Report:
    """Three listeners of one broadcast at once: on a good network, and on the bad one with RED and without. Raises Refused."""
    if not any(map(shutil.which, loss.CHROMIUM)):
        raise Refused("--browser takes Chromium: on Debian apt-get install chromium")
    assert options.audio is not None
    bad = network(kind)
    ears = [loss.Ear("good network"), loss.Ear("RED", bad), loss.Ear("NACK and FEC alone", bad, red=False)]
    found = await loss.to_listeners(options.audio, options.models, "deepfilternet3", options.seconds, ears)
    rows: list[Row] = [{"server": "hushcast", "loss": kind, "listener": ear.name, **found[ear.name]} for ear in ears]
    plain = rows[-1]["concealed_pct"]
    columns = [
        Column("listener", lambda row: row["listener"]),
        Column("packets", lambda row: str(round(row["packets"]))),
        Column("lost on the way", lambda row: number(100 * row["net"]["down"], 2, " %")),
        Column("concealed", lambda row: number(row["concealed_pct"], 2, " %")),
        Column("ratio", lambda row: times(row["concealed_pct"], plain)),
        Column("resent", lambda row: str(round(row["retransmitted"]))),
        Column("buffer", lambda row: number(row["buffer_ms"], 0, " ms")),
        Column("kb/s", lambda row: number(row["bytes_a_second"] / 125, 0)),
    ]
    chart = Chart(
        "Concealed by Chromium (less is better)",
        "",
        "% of samples",
        [Series("concealed", [(row["listener"], row["concealed_pct"]) for row in rows])],
    )
    return Report(f"Chromium behind a bad network: {kind}, {options.seconds:g} s", rows, columns, [chart])
