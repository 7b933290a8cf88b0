"""What lies under deploy/ for hosts: the alert rules and the dashboard ask for metrics that a real server tells, and docs name them all."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import StartServer, missing_program
from tests.support.running import ROOT

RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "hushcast.json"
MANUAL = ROOT / "docs" / "operating.md"
OF_PROMETHEUS = {"up"}  # what it says itself of each scrape
# Of PromQL, what is no name of a metric once labels, strings, ranges and numbers are away.
WORDS = set(
    "and bool by clamp_min for group_left histogram_quantile ignoring increase label_values max min offset on or rate sum time topk "
    "unless without".split()
)


def names_in(expression: str) -> set[str]:
    """The metrics that a PromQL expression asks for."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", " ", bare)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", bare)
    bare = re.sub(r"label_values\((\w+)\s*,[^)]*\)", r"\1", bare)
    return set(re.findall(r"(?<![\w.])[A-Za-z_:][\w:]*", bare)) - WORDS


def queries_of(dashboard: Mapping[str, Any]) -> list[str]:
    """Every query of a Grafana dashboard: of panels, of those within rows, and of variables."""
    panels = [each for panel in dashboard["panels"] for each in (panel, *panel.get("panels", []))]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return asked + [each["query"] for each in dashboard["templating"]["list"] if each["type"] == "query"]


def told(text: str) -> dict[str, set[str]]:
    """The metrics in a scrape that have a value: each with the names of its labels."""
    found: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", text, re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


async def scrape(server: StartServer) -> str:
    """/metrics of a server with TLS, for one without has no certificate, after an answer that was an error."""
    house = await server({"http.tls": "self-signed"})
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as client:
        for path in ("/healthz", "/metrics", "/metrics"):
            async with client.get(house.url + path) as answer:
                text = await answer.text()
    return text


async def promtool(*arguments: str, text: str = "", folder: Path = ROOT) -> str:
    """What promtool says; it finds nothing to blame."""
    if not shutil.which("promtool"):
        missing_program("promtool")
    command = ["promtool", *arguments]
    done = await asyncio.to_thread(subprocess.run, command, input=text, capture_output=True, text=True, cwd=folder, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


async def test_each_query_asks_for_what_is_there(server: StartServer) -> None:
    """Prometheus' own linter has nothing against a scrape; each metric of the rules and of the dashboard is in it; so are those of docs."""
    text = await scrape(server)
    assert not (await promtool("check", "metrics", text=text)).strip()
    there = told(text)
    expressions = re.findall(r"^ +expr: (?:\|\n((?: {10}.*\n)+)|(.*)\n)", RULES.read_text(), re.MULTILINE)
    asked = [block or line for block, line in expressions]
    assert len(asked) == RULES.read_text().count("- alert:") >= 10
    missing = {name for expression in asked for name in names_in(expression)} - set(there) - OF_PROMETHEUS
    assert not missing, f"rules.yml asks for {missing}"
    queries = queries_of(json.loads(DASHBOARD.read_text()))
    assert len(queries) > 30
    assert not (missing := {name for query in queries for name in names_in(query)} - set(there)), f"the dashboard asks for {missing}"
    rows = documented(MANUAL.read_text())
    assert wrong_rows(rows, there) == []


def documented(text: str) -> dict[str, set[str]]:
    """The rows of the table of metrics: name -> labels."""
    rows = re.findall(r"^\| `((?:hushcast|process)_\w+)` \| [^|]* \| ([^|]*) \|", text, re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


def wrong_rows(rows: Mapping[str, set[str]], there: Mapping[str, set[str]]) -> list[str]:
    """What the table says otherwise than a scrape. A histogram is named once, without the ends of its series."""
    found: dict[str, set[str]] = {}
    for name, labels in there.items():
        whole = re.sub(r"_(bucket|sum|count)$", "", name)
        found.setdefault(whole if f"{whole}_bucket" in there else name, set()).update(labels - {"le"})
    wrong = [f"{name}: not documented" for name in sorted(found.keys() - rows.keys())]
    for name, labels in rows.items():
        if name not in found:
            wrong.append(f"{name}: nobody tells it")
        elif labels != found.get(name, labels):
            wrong.append(f"{name}: has the labels {sorted(found[name])}")
    return wrong


def test_this_can_fail() -> None:
    """Names are found in PromQL of each kind; a row too many, a row too few and a wrong label are seen."""
    asked = 'histogram_quantile(0.99, sum by (job, le) (rate(a_bucket{b="c", d=~"$e"}[5m]))) > 1e9 or b:c / on (x) d_total - time() < 14'
    assert names_in(asked) == {"a_bucket", "b:c", "d_total"}
    assert names_in('label_values(a_b{c="$d"}, instance)') == {"a_b"}
    table = "| `hushcast_a` | gauge | `b` | x |\n| `hushcast_c` | gauge | – | x |\n"
    there = told('hushcast_a{d="e"} 1\nhushcast_e_bucket{le="1.0"} 1\nhushcast_e_sum 1\nhushcast_e_count 2\n')
    assert wrong_rows(documented(table), there) == [
        "hushcast_e: not documented",
        "hushcast_a: has the labels ['d']",
        "hushcast_c: nobody tells it",
    ]


async def test_the_rules_are_rules() -> None:
    """promtool takes them; each says what is wrong and what to do."""
    assert "SUCCESS" in await promtool("check", "rules", str(RULES))
    text = RULES.read_text()
    assert text.count("summary:") == text.count("description:") == text.count("severity:") == text.count("- alert:")


class Case:
    """Series as promtool writes them (a minute between two values), and the alert that fires after so many minutes, once."""

    def __init__(self, alert: str, minutes: int, before: int, labels: Mapping[str, str], **series: str) -> None:
        """before: at this minute it does not fire yet."""
        self.alert, self.minutes, self.before, self.labels, self.series = alert, minutes, before, labels, series


HERE = {"job": "hushcast", "instance": "a:8080"}
WARNING, CRITICAL = {"severity": "warning"}, {"severity": "critical"}
CASES = (
    Case("HushcastDown", 6, 4, HERE | CRITICAL, **{"up{@}": "1x4 0x9"}),
    Case("HushcastNotReady", 5, 2, HERE | CRITICAL, **{"hushcast_ready{@}": "1 0x9"}),
    Case(
        "HushcastVoicesBypassed",
        5,
        3,
        HERE | WARNING,
        **{
            'hushcast_voices{@,state="bypassed",denoiser="rnnoise"}': "0 0 1x9",
            'hushcast_voices{@,state="active",denoiser="rnnoise"}': "1x9",
        },
    ),
    Case(
        "HushcastWorkerRestarts",
        6,
        1,
        HERE | WARNING | {"event": "failed"},
        **{'hushcast_worker_runs_total{@,event="failed"}': "0 1 2 3 4 4 4"},
    ),
    Case(
        "HushcastIngestLoss",
        12,
        3,
        HERE | WARNING,
        **{
            'hushcast_ingest_packets_total{@,outcome="lost"}': "0+300x20",
            'hushcast_ingest_packets_total{@,outcome="received"}': "0+3000x20",
        },
    ),
    Case(
        "HushcastDiskNearlyFull",
        15,
        9,
        HERE | WARNING,
        **{"hushcast_disk_free_bytes{@}": "5e9x20", "hushcast_disk_size_bytes{@}": "1e11x20"},
    ),
    Case("HushcastCertificateEnds", 70, 50, HERE | WARNING, **{"hushcast_certificate_expires_timestamp_seconds{@}": "864000x90"}),
)


def as_test(case: Case, *, fires: bool) -> dict[str, Any]:
    series = [
        {"series": name.replace("@", f'job="{HERE["job"]}",instance="{HERE["instance"]}"'), "values": values}
        for name, values in case.series.items()
    ]
    at = f"{case.minutes if fires else case.before}m"
    return {
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}}) or vector(0)',
                "eval_time": at,
                "exp_samples": [{"labels": "{}", "value": int(fires)}],
            },
            *labels_of(case, at, fires),
        ],
    }


def labels_of(case: Case, at: str, fires: bool) -> Iterable[dict[str, Any]]:
    labels = {"__name__": "ALERTS", "alertname": case.alert, "alertstate": "firing", **case.labels}
    named = ",".join(f'{key}="{value}"' for key, value in labels.items())
    if fires:
        firing = f'ALERTS{{alertname="{case.alert}",alertstate="firing"}}'
        yield {"expr": firing, "eval_time": at, "exp_samples": [{"labels": f"{{{named}}}", "value": 1}]}


@pytest.mark.parametrize("fires", [True, False])
async def test_alerts_fire_when_they_should(tmp_path: Path, fires: bool) -> None:
    """Each of these after its time, once, with its labels; and not before."""
    rules = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [as_test(case, fires=fires) for case in CASES]}
    (tmp_path / "cases.yml").write_text(json.dumps(rules))
    assert "SUCCESS" in await promtool("test", "rules", "cases.yml", folder=tmp_path)
