"""`run.py denoise` as a command: Ctrl-C from its first moment on, outputs that are links, and what may be typed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from sfu.config import checks
from tests.support.running import ROOT
from tests.workers.sound_files import read, tone, write
from workers.chunks import CHUNK_S, OVERLAP_S
from workers.files import remote_denoiser
from workers.files.main import main

PLAIN = "--denoiser=passthrough"
INTERRUPTED = ("hushcast: interrupted; nothing was written\n", "run.py: interrupted\n")


def begun(command: list[object]) -> "subprocess.Popen[str]":
    """The command, with SIGINT held until its program takes it, as it is between one program and the next."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    handler = signal.signal(signal.SIGINT, lambda *_: None)  # a job in the background ignores it, and so would its child
    try:
        return subprocess.Popen(
            [*map(str, command)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    finally:
        signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def wait_until(true: Callable[[], object], process: "subprocess.Popen[str]", stretch: float) -> None:
    deadline = time.monotonic() + 60 * stretch
    while not true() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert true(), process.stdout and process.stdout.read()


def hears_it(process: "subprocess.Popen[str]") -> bool:
    """Whether SIGINT is not held any more."""
    blocked = Path(f"/proc/{process.pid}/status").read_text().split("SigBlk:")[1].split()[0]
    return not int(blocked, 16) >> (signal.SIGINT - 1) & 1


def check_interrupted(process: "subprocess.Popen[str]", stretch: float) -> None:
    said = process.communicate(timeout=60 * stretch)[0]
    assert (process.returncode, said.splitlines(keepends=True)[-1:]) in [(130, [line]) for line in INTERRUPTED], said
    assert "Traceback" not in said


@pytest.mark.parametrize("module", ["workers.files.main", "web.cli.denoise", "run.py"])
def test_interrupted_at_once(module: str, tmp_path: Path, stretch: float) -> None:
    """Ctrl-C before the first statement is one line as soon as there is one, in every program on the way."""
    noisy = write(tmp_path / "noisy.wav", np.zeros((1, 600 * 8_000)), 8_000)
    start = [sys.executable, "run.py", "denoise"] if module == "run.py" else [sys.executable, "-P", "-m", module]
    process = begun([*start, noisy, tmp_path / "clean.wav", "--denoiser=rnnoise"])
    process.send_signal(signal.SIGINT)
    check_interrupted(process, stretch)
    assert list(tmp_path.iterdir()) == [noisy]


@pytest.mark.parametrize("later_s", [0.0, 0.05, 0.2, 0.5, 1.0, 2.0])
def test_interrupted_while_it_loads(later_s: float, models_folder: Path, tmp_path: Path, stretch: float) -> None:
    """Ctrl-C amid the imports and the model is one line, wherever it hits."""
    noisy = write(tmp_path / "noisy.wav", np.zeros((1, 600 * 8_000)), 8_000)
    command = ["-m", "web.cli.denoise", noisy, tmp_path / "clean.wav", "--denoiser=chunked:deepfilternet3", f"--models={models_folder}"]
    process = begun([sys.executable, "-P", *command])
    wait_until(lambda: hears_it(process), process, stretch)
    time.sleep(later_s)
    process.send_signal(signal.SIGINT)
    check_interrupted(process, stretch)
    assert list(tmp_path.iterdir()) == [noisy]


def test_interrupted_while_a_child_prepares(models_folder: Path, tmp_path: Path, stretch: float) -> None:
    """Ctrl-C while the graph is made leaves neither the child that makes it nor a draft."""
    noisy, cache = write(tmp_path / "noisy.wav", np.zeros((1, 8_000)), 8_000), tmp_path / "cache"
    command = ["-m", "workers.files.main", noisy, tmp_path / "clean.wav", "--denoiser=deepfilternet3", "--device=cpu"]
    process = begun([sys.executable, "-P", *command, f"--models={models_folder}", f"--cache={cache}"])
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_until(lambda: children.exists() and children.read_text().split(), process, stretch)
    child = int(children.read_text().split()[0])
    wait_until(lambda: "workers.models.export" in Path(f"/proc/{child}/cmdline").read_text(), process, stretch)
    process.send_signal(signal.SIGINT)
    check_interrupted(process, stretch)
    assert not Path(f"/proc/{child}").exists()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [noisy]


def test_interrupted_as_a_model_is_started(ctrl_c_at_birth: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the process of a model is started ends that process too."""
    monkeypatch.setattr(remote_denoiser, "runner", lambda name, parts: (sys.executable, dict(os.environ)))
    with pytest.raises(KeyboardInterrupt):
        remote_denoiser.RemoteDenoiser("passthrough", {}, ())
    (pid,) = ctrl_c_at_birth
    assert not psutil.pid_exists(pid)


def test_an_output_that_is_a_link(tmp_path: Path) -> None:
    """What is written under a link's name goes where the link leads, the plot too; the link stays, and its name says the kind."""
    noisy, far = write(tmp_path / "noisy.wav", tone(48_000, 9_600), 48_000), tmp_path / "far"
    far.mkdir()
    (far / "blob").write_bytes(b"older")
    for name, target in ("clean.wav", "far/blob"), ("new.flac", "far/made"), ("twice.wav", "clean.wav"), ("plot.png", "far/picture"):
        (tmp_path / name).symlink_to(target)
    assert main([str(noisy), str(tmp_path / "clean.wav"), PLAIN, f"--plot={tmp_path / 'plot.png'}"]) == 0
    assert main([str(noisy), str(tmp_path / "new.flac"), PLAIN]) == 0
    assert main([str(noisy), str(tmp_path / "twice.wav"), PLAIN]) == 0
    assert all((tmp_path / name).is_symlink() for name in ("clean.wav", "new.flac", "twice.wav", "plot.png"))
    assert sorted(path.name for path in far.iterdir()) == ["blob", "made", "picture"]
    assert (read(far / "blob")[2], read(far / "made")[2]) == ("pcm_s24le", "flac")


@pytest.mark.parametrize("target", ["loop.wav", "nowhere/clean.wav", "folder", "noisy.wav"])
def test_links_that_lead_nowhere(target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A link to itself, into a folder that is not there, to a folder, or to the input is one line, and stays as it is."""
    noisy, link = write(tmp_path / "noisy.wav", tone(48_000, 9_600), 48_000), tmp_path / "loop.wav"
    (tmp_path / "folder").mkdir()
    link.symlink_to(target)
    before = noisy.read_bytes()
    assert main([str(noisy), str(link), PLAIN]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert link.is_symlink() and os.readlink(link) == target and noisy.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "loop.wav", "noisy.wav"]


@pytest.mark.parametrize(("key", "option", "limits"), [("chunk_s", "--chunk-s", CHUNK_S), ("overlap_s", "--overlap-s", OVERLAP_S)])
def test_what_may_be_typed(key: str, option: str, limits: tuple[float, float], capsys: pytest.CaptureFixture[str]) -> None:
    """What the settings refuse for a chunk is refused on the command line."""
    for value in (*limits, limits[0] - 0.01, limits[1] + 0.01, float("nan"), -1.0):
        wrong = not limits[0] <= value <= limits[1]
        if wrong:
            with pytest.raises(ValueError):
                checks.CHECKS["denoise", key](value)
        else:
            checks.CHECKS["denoise", key](value)
        other = ["--overlap-s=0.25"] if key == "chunk_s" else ["--chunk-s=8"]
        typed = ["nobody.wav", "clean.wav", f"{option}={value}", *other]
        if wrong:
            with pytest.raises(SystemExit, match="2"):
                main(typed)
            assert option in capsys.readouterr().err
        else:
            assert main(typed) == 1 and "no such file" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["nobody.wav", "clean.wav", "--chunk-s=1", "--overlap-s=1"])
