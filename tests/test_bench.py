"""Each bench runs and says what it promises. What the figures are is no test's business."""

import asyncio
import html.parser
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bench import janus, matching
from tests.bench.plots import page
from tests.bench.report import Chart, Column, Report, Series
from tests.bench.voice import MARK_EVERY, Sent
from tests.conftest import CHROMIUM, missing_program
from tests.running import ROOT

FANOUT = {"server", "listeners", "cpu_pct", "delivered_pct", "latency_ms", "join_ms", "kb_per_listener"}


async def bench(*arguments: str, deadline_s: float) -> Any:
    """What `run.py bench ARGUMENTS --json` prints."""
    command = [sys.executable, "-m", "tests.bench", *arguments, "--json"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=pipe, stderr=pipe, stdin=asyncio.subprocess.DEVNULL)
    try:
        said, wrong = await asyncio.wait_for(process.communicate(), deadline_s)
    except TimeoutError:
        process.terminate()
        await process.wait()
        raise
    assert process.returncode == 0, wrong.decode()
    return json.loads(said)


async def test_fanout(stretch: float, tmp_path: Path) -> None:
    """bench fanout compares servers in one run: seven figures each, and a page of its own."""
    servers = ["hushcast", "classic"] + ["janus"] * janus.installed()
    short = ("--listeners", "1,2", "--seconds", "0.5", "--rounds", "1")
    rows = await bench("fanout", *short, "--servers", ",".join(servers), "--plot", str(tmp_path / "f.html"), deadline_s=60 * stretch)
    assert [(row["server"], row["listeners"]) for row in rows] == [(name, count) for count in (1, 2) for name in servers]
    for row in rows:
        assert set(row) == FANOUT
        assert set(row["latency_ms"]) == {"p50", "p99", "last_p99"}
        assert row["cpu_pct"] > 0 and row["join_ms"] > 0
        assert row["delivered_pct"] == 100 or row["server"] != "hushcast"
    assert "http" not in (tmp_path / "f.html").read_text()


async def test_fanout_denoised(stretch: float, audio_folder: Path, models_folder: Path) -> None:
    """bench fanout --variant auto matches packets that were encoded anew."""
    folders = ("--audio", str(audio_folder), "--models", str(models_folder))
    [row] = await bench(
        "fanout", "--variant", "auto", "--listeners", "2", "--seconds", "1", "--rounds", "1", *folders, deadline_s=200 * stretch
    )
    assert row["delivered_pct"] > 90
    assert row["latency_ms"]["p50"] >= 20


async def test_fanout_behind_a_bad_network(stretch: float) -> None:
    """bench fanout --loss says what was lost, what came back, and how."""
    short = ("--listeners", "2", "--seconds", "2", "--servers", "hushcast,red")
    down, up, down_red = await bench("fanout", "--loss", "20", *short, deadline_s=60 * stretch)
    for row in (down, up, down_red):
        assert FANOUT - {"kb_per_listener"} <= set(row)
        assert row["lost_pct"] > 0
    assert down["by_resending_pct"] > 0 and up["by_resending_pct"] > 0
    assert down_red["by_red_pct"] > 0


async def test_presence(stretch: float, models_folder: Path) -> None:
    """bench presence measures the ways from Start to the ear, and the rest of the server under listeners."""
    short = ("--rounds", "1", "--listeners", "2", "--seconds", "1")
    rows = await bench("presence", *short, "--models", str(models_folder), deadline_s=200 * stretch)
    found = {row["what"]: row for row in rows}
    assert {"start_to_sound", "click_to_sound", "media_to_event", "healthz_p99"} <= set(found)
    assert all(row["value"] > 0 for row in rows)


@pytest.mark.browser
async def test_ear(stretch: float, audio_folder: Path, models_folder: Path) -> None:
    """bench ear hears itself through the server in both variants, and directly."""
    if not any(map(shutil.which, CHROMIUM)):
        missing_program("Chromium")
    folders = ("--audio", str(audio_folder), "--models", str(models_folder))
    rows = await bench("ear", "--rounds", "1", "--seconds", "8", *folders, deadline_s=240 * stretch)
    assert [row["way"] for row in rows] == ["denoised", "original", "direct"]
    assert all(row["delay_ms"] > 0 and row["to_direct"] > 0 for row in rows)


def test_what_was_decoded_is_matched_by_its_loudness() -> None:
    """Numbers, order and size are all new; the loud packets tell which is which."""
    sent = Sent(1000, lambda payload, earliest: 0)
    sent.stamps_ns = [20_000_000 * at for at in range(200)]
    sent.lengths = [150 if (1000 + at) % MARK_EVERY == 32 else 9 for at in range(200)]
    late, offset = 5, 64_500
    came = range(190)
    window = matching.Window(
        np.zeros(190, np.uint16),
        np.array([(1000 + at + offset) & 0xFFFF for at in came], np.uint16),
        np.array([20_000_000 * (at + late) + 700_000 for at in came]),
        np.array([sent.lengths[at] * 3 + 40 for at in came], np.uint32),
        [[]],
    )
    found = matching.latencies(window, sent, decoded=True)
    assert np.allclose(found[0, :190], 100.7)
    assert np.isnan(found[0, 190:]).all()


class _Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)


def test_a_page_stands_alone() -> None:
    """Charts are drawn inside the page, text is escaped, and nothing is fetched."""
    columns = [Column("who", lambda row: row["who"]), Column("much", lambda row: str(row["much"]))]
    charts = [
        Chart("Lines <up>", "listeners", "%", [Series("a & b", [(1, 2.0), (10, 3.5)]), Series("c", [(1, float("nan"))])], ("limit", 3.0)),
        Chart("Bars", "", "ms", [Series("ms", [("one", 4.0), ("two", 0.0)])]),
    ]
    report = Report("Title", [{"who": "<script>", "much": 1}], columns, charts, ["a note"])
    tags = _Tags()
    tags.feed(text := page([report]))
    assert tags.seen.count("svg") == 2 and "polyline" in tags.seen and "rect" in tags.seen
    assert not {"script", "link", "img"} & set(tags.seen)
    assert "a note" in text
    assert report.text().splitlines()[2].split() == ["who", "much"]
