"""Each bench runs and says what it promises. What the figures are is no test's business."""

import argparse
import asyncio
import html.parser
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bench import janus, lossy_fanout, matching, processor
from tests.bench.__main__ import chosen, fanout_options, main, mouth_options, nodes_options, presence_options, workers_options
from tests.bench.arguments import parser
from tests.bench.asked import Refused, without_config
from tests.bench.lossy_ears import Copy, Reception
from tests.bench.lossy_fanout import Came
from tests.bench.plots import page
from tests.bench.report import Chart, Column, Report, Series
from tests.bench.voice import MARK_EVERY, Sent
from tests.conftest import CHROMIUM, missing_program
from tests.support.postgres import Postgres
from tests.support.redis import PROGRAM
from tests.support.running import ROOT

FANOUT = {"server", "listeners", "cpu_pct", "delivered_pct", "latency_ms", "join_ms", "kb_per_listener", "processor"}


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


@pytest.mark.real_time
async def test_fanout(stretch: float, tmp_path: Path) -> None:
    """bench fanout compares servers in one run: seven figures each, and a page of its own."""
    servers = ["hushcast", "classic"] + ["janus"] * janus.installed()
    short = ("--listeners", "1,2", "--seconds", "0.5", "--rounds", "1")
    rows = await bench("fanout", *short, "--servers", ",".join(servers), "--plot", str(tmp_path / "f.html"), deadline_s=240 * stretch)
    assert [(row["server"], row["listeners"]) for row in rows] == [(name, count) for count in (1, 2) for name in servers]
    for row in rows:
        assert set(row) == FANOUT
        assert set(row["latency_ms"]) == {"p50", "p99", "last_p99"}
        assert row["cpu_pct"] > 0 and row["join_ms"] > 0
        assert row["delivered_pct"] == 100 or row["server"] != "hushcast"
    assert "http" not in (tmp_path / "f.html").read_text()


@pytest.mark.slow
@pytest.mark.real_time
async def test_fanout_denoised(stretch: float, audio_folder: Path, models_folder: Path) -> None:
    """bench fanout --variant auto matches packets that were encoded anew."""
    folders = ("--audio", str(audio_folder), "--models", str(models_folder))
    [row] = await bench(
        "fanout", "--variant", "auto", "--listeners", "2", "--seconds", "1", "--rounds", "1", *folders, deadline_s=300 * stretch
    )
    assert row["delivered_pct"] > 90
    assert row["latency_ms"]["p50"] >= 20


@pytest.mark.slow
@pytest.mark.real_time
async def test_fanout_behind_a_bad_network(stretch: float) -> None:
    """bench fanout --loss says what was lost, what came back, and how."""
    short = ("--listeners", "2", "--seconds", "2", "--servers", "hushcast,red")
    down, up, down_red = await bench("fanout", "--loss", "20", *short, deadline_s=240 * stretch)
    for row in (down, up, down_red):
        assert FANOUT <= set(row)
        assert set(row["latency_ms"]) == {"p50", "p99", "last_p99"}
        assert row["lost_pct"] > 0
    assert down["by_resending_pct"] > 0 and up["by_resending_pct"] > 0
    assert down_red["by_red_pct"] > 0


@pytest.mark.slow
@pytest.mark.real_time
async def test_fanout_behind_a_network_that_loses_nothing(stretch: float) -> None:
    """What is overtaken on its way has not been sent again, whether it was asked for or not."""
    for row in await bench(
        "fanout", "--loss", "jitter", "--listeners", "1", "--servers", "hushcast", "--seconds", "1", deadline_s=240 * stretch
    ):
        assert (row["by_resending_pct"], row["by_red_pct"]) == (0, 0) and row["lost_pct"] < 100


def test_a_copy_makes_up_only_for_what_was_lost() -> None:
    """What was lost on a link and came again was repaired; what was late, or asked for in vain, came as it was sent."""
    sent, red = Copy(1.0, red=False), Copy(1.0, red=True)
    assert [lossy_fanout.how(copy, lost=False) for copy in (None, sent, red)] == ["", "sent", "sent"]
    assert [lossy_fanout.how(copy, lost=True) for copy in (None, sent, red)] == ["", "resent", "red"]


def test_figures_behind_a_bad_network() -> None:
    """A packet that nobody got is not one that took no time; where nothing came there are all keys and no figures."""
    nan = float("nan")
    half = [Came(np.array([50.0, 60.0, nan, 70.0]), ["sent", "sent", "", "resent"]), Came(np.array([nan] * 4), [""] * 4)]
    found = lossy_fanout.figures(half)
    assert (found["delivered_pct"], found["lost_pct"], found["by_resending_pct"]) == (37.5, 75.0, 12.5)
    assert found["recovered_pct"] == pytest.approx(100 / 6, abs=0.01)
    assert found["latency_ms"]["p50"] == 60 and found["latency_ms"]["last_p99"] == pytest.approx(69.8)
    nothing = lossy_fanout.figures(half[1:])
    assert nothing["latency_ms"] == {"p50": None, "p99": None, "last_p99": None} and nothing["delivered_pct"] == 0


def test_a_listener_reports_as_the_rfc_says() -> None:
    """Expected less received, of the time since the report before: overtaken packets are not lost, one sent again makes up for one."""
    heard = Reception(100)

    def told(*numbers: int) -> tuple[int, int]:
        for number in numbers:
            heard.count(number)
        report = heard.report(7)
        assert report.ssrc == 7
        return report.fraction_lost, report.lost

    assert told(100, 102, 101, 103) == (0, 0)
    assert told(105, 107) == (128, 2)
    assert told(106, 108) == (0, 1)  # one of two was expected before
    assert told() == (0, 1)
    assert told(109, 109, 104) == (0, -1)


@pytest.mark.parametrize(
    "wrong",
    [
        ["fanout", "--listeners", "2,2"],
        ["fanout", "--listeners", "0"],
        ["fanout", "--listeners", "-1"],
        ["fanout", "--rounds", "0"],
        ["fanout", "--rounds", "many"],
        ["fanout", "--seconds", "0"],
        ["fanout", "--seconds", "-2"],
        ["fanout", "--seconds", "nan"],
        ["fanout", "--servers", "hushcast,nobody"],
        ["fanout", "--servers", "hushcast,classic", "--loss", "10"],
        ["fanout", "--servers", "hushcast", "--variant", "auto", "--loss", "10"],
        ["fanout", "--servers", "hushcast", "--browser"],
        ["fanout", "--plot", "no/such/folder/f.html"],
        ["presence", "--models", "no/such/folder"],
        ["ear", "--audio", "no/such/folder"],
        ["ear", "--seconds", "1"],
        ["workers", "--seconds", "0"],
        ["workers", "--share", "8,8"],
        ["workers", "--listeners", "2"],
        ["workers", "--denoisers", "nobody"],
        ["presence", "--most", "3"],
        ["presence", "--friends", "1001"],
        ["page", "--against", "no/such/folder"],
        ["ear", "--against", "."],
    ],
)
def test_what_cannot_be_measured(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what is wrong, and nothing has been started: exit 2."""
    try:
        status = main(wrong)
    except SystemExit as ended:
        status = ended.code
    said = capsys.readouterr()
    assert status == 2 and said.out == ""
    assert said.err.startswith("run.py bench") and said.err.count("\n") == 1


def test_settings_say_where_the_weights_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--config FILE` goes before or behind the bench's name; what it says of the weights is what `--models` is without."""
    monkeypatch.setenv("HUSHCAST_TEST_MODELS", "elsewhere")
    file = tmp_path / "c.toml"
    file.write_text(f"[models]\npath = [{json.dumps(str(tmp_path / 'none'))}, {json.dumps(str(tmp_path))}]\n")
    for arguments in (["--config", str(file), "ear", "--json"], ["ear", "--json", "--config", str(file)]):
        assert without_config(arguments) == ["ear", "--json"]
    assert parser().parse_args(["ear"]).models == tmp_path
    assert main(["--config", str(tmp_path / "none.toml"), "ear"]) == 2


def test_all_of_it_takes_the_rounds_and_seconds_that_it_is_given() -> None:
    """Every bench of `all` has as many rounds and windows as long as asked for; only the ear's are as long as a voice needs."""
    asked = parser().parse_args(["all", "--rounds", "1", "--seconds", "2"])
    assert list(chosen(asked)) == ["workers", "fanout", "presence", "ear", "page", "nodes"]
    every = [options(asked) for options in (workers_options, fanout_options, presence_options, mouth_options, nodes_options)]
    assert [(each.rounds, each.seconds) for each in every] == [(1, 2), (1, 2), (1, 2), (1, 8), (1, 2)]


def test_all_of_it_goes_on_without_what_cannot_be_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The JSON and the page hold the others, the lack is said, and the exit says that it is not all."""

    def measured(name: str, asked: argparse.Namespace) -> Report:
        if name == "ear":
            raise Refused("no browser")
        return Report(f"About {name}", [{"what": name}], [Column("what", lambda row: row["what"])])

    monkeypatch.setattr("tests.bench.__main__._measured", measured)
    monkeypatch.setattr("tests.bench.network.enter", lambda module, arguments: None)
    assert main(["all", "--json", "--plot", str(tmp_path / "all.html")]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        name: [{"what": name, "processor": processor.told()}] for name in ("workers", "fanout", "presence", "page", "nodes")
    }
    assert said.err == "run.py bench ear: no browser\n"
    assert all(f"About {name}" in (tmp_path / "all.html").read_text() for name in ("workers", "fanout", "presence", "page", "nodes"))


async def test_presence(stretch: float, models_folder: Path) -> None:
    """bench presence measures the ways from Start to the ear, and the rest of the server under listeners."""
    short = ("--rounds", "1", "--listeners", "2", "--seconds", "1", "--friends", "3")
    rows = await bench("presence", *short, "--models", str(models_folder), deadline_s=300 * stretch)
    found = {row["what"]: row for row in rows}
    assert {"start_to_sound", "click_to_sound", "media_to_event", "healthz_p99", "live_at_friends_p99", "muted_p99"} <= set(found)
    assert all(row["value"] > 0 for row in rows)


@pytest.mark.slow
async def test_nodes(stretch: float, postgres_server: Postgres) -> None:
    """bench nodes measures two servers, and what is heard when something is killed; no write of an owner of before gets through."""
    if PROGRAM is None:
        missing_program("redis-server")
    rows = await bench("nodes", "--rounds", "1", "--listeners", "8", "--seconds", "1", deadline_s=300 * stretch)
    found = {row["what"]: row["value"] for row in rows}
    assert {"join_added", "badge_p99", "processor_ratio", "silence_owner", "silence_redis", "silence_postgres", "storm_all"} <= set(found)
    assert (
        found["concealed_restart"] <= 200 * stretch and found["length_restart"] <= 0.2 * stretch and found["length_owner"] <= 1.0 * stretch
    )
    assert (found["stale_writes"], found["lost_redis"], found["lost_postgres"]) == (0, 0, 0)


@pytest.mark.browser
async def test_ear(stretch: float, audio_folder: Path, models_folder: Path) -> None:
    """bench ear hears itself through the server in both variants, and directly."""
    if not any(map(shutil.which, CHROMIUM)):
        missing_program("Chromium")
    folders = ("--audio", str(audio_folder), "--models", str(models_folder))
    rows = await bench("ear", "--rounds", "1", "--seconds", "8", *folders, deadline_s=300 * stretch)
    ways = [row["way"] for row in rows if row["way"] != "deepfilternet3_ll"]  # which a checkout with its weights has too
    assert ways == ["denoised", "original", "direct"]
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
    assert "a note" in text and processor.told() in text
    assert report.text().splitlines()[:2] == ["Title", processor.told()]
    assert report.text().splitlines()[3].split() == ["who", "much"]
