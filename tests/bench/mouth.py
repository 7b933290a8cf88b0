"""bench ear: a server and a Chromium of its own around `ear.measure`, and its table."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright

from tests.bench import ear, places
from tests.bench.asked import Refused
from tests.bench.report import Chart, Column, Report, Row, Series, number, times
from tests.bench.servers import started
from tests.conftest import CHROMIUM, CHROMIUM_FLAGS

TARGETS_MS = {"denoised": 90, "original": 50}


@dataclass
class Options:
    audio: Path
    models: Path
    rounds: int = 3
    seconds: int = 14


def _gain(found: dict[str, Any], way: str) -> float | None:
    """To `original`, of the runs with deepfilternet3 the median of each."""
    if way == "denoised":
        return round(found["si_sdr_gain_db"], 2)
    return round(found[way]["si_sdr_db"] - found["original"]["si_sdr_db"], 2) if way == ear.QUICKEST else None


def _uncleaned(runs: list[dict[str, Any]]) -> list[str]:
    """In how many runs the voice was not cleaned to the end, with which denoiser: their figures are of another sound."""
    told = []
    for denoiser, key in ((ear.FIRST, "status"), (ear.QUICKEST, "status_quickest")):
        reasons = [run[key]["denoise"]["reason"] for run in runs if key in run and run[key]["denoise"]["state"] != "active"]
        if reasons:
            told.append(f"{denoiser} did not clean to the end of {len(reasons)} of {len(runs)} runs ({', '.join(map(str, reasons))}).")
    return told


async def report(options: Options) -> Report:
    """Raises Refused."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        raise Refused("it takes Chromium: on Debian apt-get install chromium")
    flags = [*CHROMIUM_FLAGS, f"--use-file-for-fake-audio-capture={places.noisy(options.audio)}"]
    flags += ["--no-sandbox"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="hushcast-bench-") as folder:
        server = await started(Path(folder) / "server", options.models)
        try:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=program, args=flags, ignore_default_args=["--mute-audio"])
                found = await ear.measure(server, browser, options.audio, options.rounds, options.seconds)
                await browser.close()
        finally:
            server.stop()
    return as_report(found, options)


def as_report(found: dict[str, Any], options: Options) -> Report:
    """One row a way: denoised, original, direct."""
    rows: list[Row] = [
        {
            "way": way,
            "denoiser": {"denoised": ear.FIRST, ear.QUICKEST: ear.QUICKEST}.get(way),
            "delay_ms": round(found[way]["delay_ms"], 1),
            "to_direct": round(found[way]["to_direct"], 3),
            "to_denoised": round(found[way]["to_denoised"], 3),
            "worker_cpu_pct": round(found[way]["cpu_pct"], 1) if "cpu_pct" in found[way] else None,
            "target_ms": TARGETS_MS.get(way),
            "si_sdr_db": round(found[way]["si_sdr_db"], 2),
            "si_sdr_gain_db": _gain(found, way),
            "pesq_wb": round(found[way]["pesq_wb"], 2),
            "jitter_buffer_ms": round(found[way]["jitterBufferMs"], 1),
            "concealed_pct": round(100 * found[way]["concealed"] / max(found[way]["total"], 1), 3),
            "delays_ms": [round(run[way]["delay_ms"], 1) for run in found["runs"]],
            "stages_ms": found["runs"][-1]["status"]["latency_ms"] if way != "direct" else None,
        }
        for way in found
        if way in (*ear.HEARD, ear.QUICKEST)
    ]
    columns = [
        Column("way", lambda row: row["way"]),
        Column("mouth to ear", lambda row: number(row["delay_ms"], 1, " ms")),
        Column("to direct", lambda row: number(row["to_direct"], 2, "x")),
        Column("to denoised", lambda row: number(row["to_denoised"], 2, "x")),
        Column("of target", lambda row: times(row["delay_ms"], row["target_ms"])),
        Column("jitter buffer", lambda row: number(row["jitter_buffer_ms"], 1, " ms")),
        Column("rest", lambda row: number(row["delay_ms"] - row["jitter_buffer_ms"], 1, " ms")),
        Column("concealed", lambda row: number(row["concealed_pct"], 2, " %")),
        Column("SI-SDR", lambda row: number(row["si_sdr_db"], 1, " dB")),
        Column("gain", lambda row: number(row["si_sdr_gain_db"], 1, " dB")),
        Column("PESQ-wb", lambda row: number(row["pesq_wb"], 2)),
        Column("worker", lambda row: number(row["worker_cpu_pct"], 1, " %")),
        Column("runs", lambda row: " ".join(f"{each:.0f}" for each in row["delays_ms"])),
    ]
    parts = [("in the jitter buffer", "jitter_buffer_ms"), ("mouth to ear", "delay_ms")]
    chart = Chart(
        "Mouth to ear, Chromium to Chromium (shorter is better)",
        "",
        "ms",
        [Series(name, [(row["way"], row[key]) for row in rows]) for name, key in parts],
    )
    stages = found["runs"][-1]["status"]["latency_ms"]
    told = ", ".join(
        f"{stage} p50 {stages[stage]['p50']} ms, p99 {stages[stage]['p99']} ms"
        for stage in ("ingest", "worker", "fanout")
        if stages.get(stage)
    )
    notes = [
        "denoised: with deepfilternet3. worker: of a core, the processor time that cleaning and encoding that one voice takes."
        + ("" if ear.QUICKEST in found else f" {ear.QUICKEST} has no weights here: `run.py models fetch {ear.QUICKEST}`."),
        f"Sound: {places.sound_told(options.audio)}.",
        f"In the server, last run: {told}; held by design: {stages.get('algorithmic')} ms.",
    ]
    return Report(f"Mouth to ear: medians of {options.rounds} runs", rows, columns, [chart], notes, _uncleaned(found["runs"]))
