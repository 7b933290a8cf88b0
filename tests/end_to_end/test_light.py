"""What serves on a CPU does without torch and its train: no process of the server imports any of it, whatever is installed."""

import asyncio
import os
import subprocess
import sys
from itertools import cycle
from pathlib import Path

import pytest

from tests.end_to_end.test_changing import set_to
from tests.end_to_end.test_mic_to_ear import denoised_by
from tests.support.people import friends
from tests.support.running import ROOT
from tests.support.sound import encode, read_wav
from workers.weights.weights import FAMILIES

# Packages of the reference, of the exporter that came with torch, and those that pyrnnoise's top level drags in.
HEAVY = ("torch", "df", "libdf", "onnxscript", "sympy", "matplotlib", "audiolab", "soundfile", "scipy")
HOOK = f"""
import os, sys

class Told:
    def find_spec(self, name, path=None, target=None):
        if name in {HEAVY}:
            with open(os.environ["IMPORTED"], "a") as told:
                print(name, os.getpid(), sys.orig_argv, file=told)
        elif name == "numpy":
            open(os.environ["IMPORTED"] + ".numpy", "a").close()

sys.meta_path.insert(0, Told())
"""


@pytest.fixture
def told(tmp_path: Path) -> dict[str, str]:
    """An environment in which every Python says in a file what of HEAVY it is asked for, whether it is installed or not."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(HOOK)
    return {"PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path / "hook"))), "IMPORTED": str(tmp_path / "imported")}


def imported(told: dict[str, str]) -> list[str]:
    """Whatever was; the hook has to have seen something."""
    file = Path(told["IMPORTED"])
    assert file.with_name(f"{file.name}.numpy").exists()
    return file.read_text().splitlines() if file.exists() else []


async def test_a_voice(server, told: dict[str, str], audio_folder: Path) -> None:
    """A server with all denoisers, and a voice through two of them: neither it, nor the forkserver, nor a worker."""
    house, noisy = await server(**told), encode(read_wav(audio_folder / "noisy_snr0.wav"))
    async with friends(house.url, "ada", "ben") as (ada, ben):
        await denoised_by(ada, "deepfilternet3")
        async with ada.phone() as mic, ben.phone() as ear:
            await mic.publish("ada")
            mic.send(0, 0, noisy[0])
            await ada.until("ada", live=True, denoise_state="active")
            await ear.listen("ada")
            enough = asyncio.Event()
            talking = asyncio.create_task(mic.talk(cycle(noisy), first=1, until=enough))
            for name in ("rnnoise", "deepfilternet3"):
                await ear.heard(len(ear.received) + 20)
                await set_to(ada, denoiser=name)
            await ear.heard(len(ear.received) + 20)
            enough.set()
            await talking
    assert imported(told) == []


@pytest.mark.parametrize("name", ["deepfilternet3", "deepfilternet2", "deepfilternet2_ll"])
def test_a_graph(name: str, told: dict[str, str], models_folder: Path, tmp_path: Path) -> None:
    """Nor the child that makes a graph of a checkpoint."""
    weights = models_folder / FAMILIES[name].folder
    command = [sys.executable, "-m", "workers.models.export", name, "--weights", weights, "--out", tmp_path / "graph.onnx"]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **told}, timeout=120)
    assert imported(told) == []


def test_a_file(told: dict[str, str], audio_folder: Path, tmp_path: Path) -> None:
    """Nor the command, for a file through RNNoise, of whose package only the C library is used."""
    command = [sys.executable, "-m", "web.cli.denoise", audio_folder / "noisy_snr0.wav", tmp_path / "clean.wav", "--denoiser=rnnoise"]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **told}, timeout=120)
    assert (tmp_path / "clean.wav").stat().st_size > 100_000 and imported(told) == []
