"""bench presence --start, on a small program in the place of run.py; and what two builds are asked in turn."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.bench import against, starting
from tests.bench.__main__ import main
from tests.bench.asked import Refused
from tests.support.running import ROOT
from tests.support.sound import encode

PROGRAM = """
import signal, sys, time
from pathlib import Path
assert Path("start.toml").is_file() and not Path("var", "old").exists()
time.sleep({first} if not Path(".venv").exists() else 0)
Path(".venv").mkdir(exist_ok=True)
Path(".venv", "package").write_bytes(bytes(3_000_000))
print("listening http://127.0.0.1:1/", flush=True)
time.sleep(0.1)
print({ready!r}, file=sys.stderr, flush=True)
signal.sigwait([signal.SIGTERM])
"""


def house(folder: Path, ready: str, first: float = 0.5) -> Path:
    (folder / "var" / "old").mkdir(parents=True)
    (folder / "run.py").write_text(PROGRAM.format(ready=ready, first=first))
    return folder


async def test_a_first_start_and_later_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both builds begin in an empty folder; what is ready has its seconds, what will not be has none and is not waited for."""
    here = house(tmp_path / "here", "INFO workers.models.store: deepfilternet3 is ready: weights in x")
    there = house(tmp_path / "there", "deepfilternet3: no weights in no folder, and none could be fetched: away", first=0.0)
    monkeypatch.setattr(starting, "ROOT", here)
    rows = {row["what"]: row for row in (await starting.report(starting.Options(there, None, 2))).rows}
    first, later = rows["first_listening_s"], rows["later_listening_s"]
    assert first["value"] > 0.5 and later["value"] > 0 and later["other"] > 0
    assert rows["first_ready_s"]["value"] > first["value"] and rows["later_ready_s"]["value"] > later["value"]
    assert rows["first_ready_s"]["other"] is None and rows["later_ready_s"]["other"] is None
    assert rows["environment_mb"]["value"] == pytest.approx(3.0, abs=0.1)
    assert not (here / ".venv").exists() and (here / "var" / "old").exists()


async def test_a_start_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not come to listen is refused with its last word."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.py").write_text("raise SystemExit('no room')")
    monkeypatch.setattr(starting, "ROOT", tmp_path / "broken")
    with pytest.raises(Refused, match="does not start: no room"):
        await starting.report(starting.Options())


@pytest.mark.parametrize(
    "wrong",
    [
        ["presence", "--start", "--against", "no/such/folder"],
        ["presence", "--start", "--memory"],
        ["presence", "--against", "."],
        ["ear", "--start"],
        ["workers", "--against", "no/such/folder"],
        ["workers", "--against", str(ROOT)],
    ],
)
def test_what_cannot_be_compared(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One line says why, and nothing has been started."""
    try:
        status = main(wrong)
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("run.py bench ") and said.err.count("\n") == 1


async def test_another_checkout_is_asked_on_its_own_python(tmp_path: Path, models_folder: Path) -> None:
    """Its modules, its interpreter and its cache answer what this build's do: a hop's processor time, and what real workers take."""
    other = tmp_path / "other"
    other.mkdir()
    for name in (".venv", "config.toml", "setup.cfg", "sfu", "tests", "workers"):
        os.symlink(ROOT / name, other / name)
    against.check(other)
    noise = 0.1 * np.random.default_rng(1).standard_normal(48_000).astype(np.float32)
    np.save(tmp_path / "noisy.npy", noise)
    (tmp_path / "packets").write_text("\n".join(payload.hex() for payload in encode(noise)))
    words = ["--sound", str(tmp_path / "noisy.npy"), "--packets", str(tmp_path / "packets"), "--models", str(models_folder)]
    async with against._side(other, words) as side:
        assert side.said["numpy"] and "failed" not in side.said, side.said
        assert 0 < (await side.ask(do="hops", voices=2, seconds=0.1))["us"] < 1e6
        found = await side.ask(do="window", voices=1, share=16, seconds=0.5, limit_ms=None)
        assert found["cpu_pct"] > 0 and found["expected"] > 0 and len(found["ms"]) <= found["expected"]
    assert list((other / "var" / "cache").glob("deepfilternet3*"))
    async with against._side(other, [*words[:4], "--models", str(tmp_path)]) as side:
        assert "no weights" in side.said["failed"] and json.dumps(side.said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["workers", "--listeners", "x"], "run.py bench workers: unrecognized arguments: --listeners x"),
        (["workers", "--share", "0"], "run.py bench workers: argument --share: '0' is not a whole number from 1 to 64"),
        (["ear", "--seconds", "1"], "run.py bench ear: --seconds is at least 8 here: a shorter piece of the voice says nothing"),
        (["fanout", "--browser"], "run.py bench fanout: --browser goes with --loss"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_installed(tmp_path: Path, words: list[str], said: str) -> None:
    """In a checkout without environment run.py says what is wrong in a line, exit 2, and has made nothing."""
    for name in ("run.py", "web", "workers", "tests"):
        os.symlink(ROOT / name, tmp_path / name)
    ended = subprocess.run([sys.executable, "-S", "run.py", "bench", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", said + "\n")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["run.py", "tests", "web", "workers"]


def test_the_options_can_be_read_by_an_old_python() -> None:
    """run.py is started with whatever Python there is, and reads them before it takes its own."""
    source = (ROOT / "tests" / "bench" / "arguments.py").read_text()
    assert ast.parse(source, feature_version=(3, 8))
    names = [name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import) for name in (each.name for each in node.names)]
    names += [node.module or "" for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    assert {name.split(".")[0] for name in names} <= set(sys.stdlib_module_names)
