"""Other Pythons than the one that runs the tests, where they are installed."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.people import friends
from tests.support.running import ROOT, Server
from tests.support.sound import encode, read_wav
from tests.web.install.checkout import Checkout
from tests.workers.sound_files import read
from web.install.pythons import version_of
from web.install.stamps import RECIPE, Environment

OTHERS = [version for version in ("3.11", "3.12", "3.13") if version != f"{sys.version_info[0]}.{sys.version_info[1]}"]
ENSURE = """
import pathlib, sys
from web.install import environment, stamps
environment.ensure(stamps.Environment(pathlib.Path(sys.argv[1])), ["base"])
"""
DENOISERS = ("rnnoise", "deepfilternet3")
CLEANED = 50  # packets


def installed(version: str) -> str:
    """A working Python of this version, from PATH or pyenv. Skips the test where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for python in (shutil.which(f"python{version}"), *map(str, sorted(pyenv.glob(f"{version}.*/bin/python")))):
        if python and version_of(python) == version:
            return python
    pytest.skip(f"no Python {version} is installed here")


@pytest.fixture(scope="module", params=OTHERS)
def other(request: pytest.FixtureRequest) -> Path:
    """The Python of an environment from the lock of another version; made again only when the lock changes."""
    environment = Environment(ROOT / "var" / "cache" / "pythons" / request.param)
    environment.folder.parent.mkdir(parents=True, exist_ok=True)
    command = [installed(request.param), "-c", ENSURE, str(environment.folder)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    assert version_of(str(environment.python)) == request.param
    return environment.python


async def test_a_voice_on_another_python(other: Path, tmp_path: Path, models_folder: Path, audio_folder: Path, stretch: float) -> None:
    """The server serves, and its denoisers clean a voice, without torch."""
    house = Server(tmp_path, {"models.path": [str(models_folder)], "accounts.registration": "open"}, {}, stretch)
    house.python = str(other)
    (tmp_path / "var").mkdir()
    voice = encode(read_wav(audio_folder / "noisy_snr0.wav"))
    await house.start()
    try:
        async with friends(house.url, "ada", "ben") as (ada, ben):
            for name in DENOISERS:
                async with asyncio.timeout(60 * stretch):  # the first start makes the graph
                    while name not in {each["name"] for each in await ada.call("GET", "/api/denoisers") if each["available"]}:
                        await asyncio.sleep(0.1)
                async with ada.phone() as mic, ben.phone() as ear:
                    await mic.publish("ada", f"?denoise=1&denoiser={name}")
                    until = asyncio.Event()
                    talking = asyncio.create_task(mic.talk(voice * 10, until=until))
                    status = await ben.until("ada", timeout_s=60 * stretch, live=True, denoise_state="active")
                    assert status["denoise"]["denoiser"] == name, (status, house.log)
                    await ear.listen("ada", "?variant=denoised")
                    async with asyncio.timeout(20 * stretch):
                        while len({packet.payload for _, packet in ear.received} - set(voice)) < CLEANED:
                            await ear.heard(len(ear.received) + 1)
                    until.set()
                    await talking
                await ada.call("POST", "/api/stream/stop")
    finally:
        house.stop()
    assert "Traceback" not in house.log


def test_a_file_on_another_python(other: Path, tmp_path: Path, models_folder: Path, audio_folder: Path) -> None:
    """`denoise` removes noise from a file and keeps its length."""
    clean = tmp_path / "clean.wav"
    source = audio_folder / "noisy_snr0.wav"
    command = [other, "-m", "workers.files.main", source, clean, "--models", models_folder, "--cache", tmp_path / "cache"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    (noisy, _, _), (quiet, rate_hz, _) = read(source), read(clean)
    assert rate_hz == 48_000 and quiet.shape == noisy.shape
    assert np.sum(np.square(quiet)) < 0.9 * np.sum(np.square(noisy))


def test_what_works_stays_until_there_is_another_python(tmp_path: Path) -> None:
    """Where the reference needs Python 3.11 and there is none, the environment of a later Python stays as it was, after a kill too."""
    python, version = next((installed(each), each) for each in reversed(OTHERS) if each != "3.11")
    fresh = Checkout(tmp_path)
    fresh.lock(version)
    fresh.lock("3.11")
    there = fresh.folder / ".venv-torch"
    subprocess.run([python, "-m", "venv", "--without-pip", there], check=True)
    (there / "hushcast.json").write_text(json.dumps({"recipe": RECIPE, "python": version, "cuda": "as it was"}))
    for _ in range(2):
        status, said, error = fresh.run("install", "reference", python=python, PATH="/nowhere")
        assert status == 1 and "Python 3.11 is needed" in error and "removing" not in said.partition("fetching 3.11")[0]
        assert json.loads((there / "hushcast.json").read_text())["cuda"] == "as it was"
        there.rename(there.with_name(".venv-torch.before"))  # as a kill leaves it
    there.with_name(".venv-torch.before").rename(there)
    assert sorted(each.name for each in fresh.folder.glob(".venv*")) == [".venv-torch"]


@pytest.mark.parametrize("version", ["3.8", "3.10"])
def test_a_python_that_is_too_old(version: str, tmp_path: Path) -> None:
    """An old Python runs run.py up to the line that names the Python that is needed, and fetches nothing before it."""
    python = _old(version)
    fresh = Checkout(tmp_path)
    fresh.lock("3.11")
    assert fresh.run("--version", python=python) == (0, "hushcast 0.1.0\n", "")
    status, said, error = fresh.run(python=python, PATH="/nowhere")
    assert status == 1
    assert said == f"run.py: no usable Python 3.11 to 3.14 here (this is {version}); fetching 3.11 with uv\n"
    assert error == "run.py: Python 3.11 to 3.14 is needed, with its venv: on Debian `apt install python3.11-venv`, then start again\n"
    assert fresh.run(python=python)[1].endswith("serving 1.0\n")  # by the one that PATH has


def _old(version: str) -> str:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = [*map(str, sorted(pyenv.glob(f"{version}.*/bin/python")))] or [shutil.which(f"python{version}")]
    if not found[0]:
        pytest.skip(f"no Python {version} is installed here")
    return found[0]
