"""The program under examples/ does what it says, against a real server, and each example is short."""

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.clients.stage import START_S, Stage, assert_tone, running, tone, tone_in
from tests.support.people import PASSWORD
from tests.support.running import ROOT
from tests.support.sound import RATE_HZ

EXAMPLES = sorted(file for file in (ROOT / "examples").iterdir() if file.suffix in (".py", ".js", ".html"))
PYTHON = (sys.executable, str(ROOT / "examples/client.py"))
HEAR_S = 1.5


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_it_is_short(file: Path) -> None:
    """An example has fewer than 80 lines."""
    assert len(file.read_text().splitlines()) < 80


async def line(process: asyncio.subprocess.Process) -> str:
    """The next line that it prints."""
    assert process.stdout is not None
    text = (await asyncio.wait_for(process.stdout.readline(), START_S)).decode().strip()
    if not text:
        _, wrong = await process.communicate()
        pytest.fail(wrong.decode(errors="replace")[-2000:])
    return text


async def ended(process: asyncio.subprocess.Process) -> None:
    """It ends, and well."""
    _, wrong = await asyncio.wait_for(process.communicate(), START_S)
    assert process.returncode == 0, wrong.decode(errors="replace")[-2000:]


async def test_one_talks_and_another_listens(stage: Stage, tmp_path: Path) -> None:
    """A file that is published is what a friend's file has; a third program says when it began and when it ended."""
    sent, heard = tmp_path / "sent.wav", tmp_path / "heard.wav"
    soundfile.write(sent, np.repeat(tone(12.0)[:, None], 2, axis=1), RATE_HZ)  # making two channels out of one would take off 3 dB
    url = stage.house.url
    async with running([*PYTHON, url, "ben", "watch"], PASSWORD=PASSWORD) as watching:
        assert await line(watching) == "friends: ada"
        async with running([*PYTHON, url, "ada", "publish", sent], PASSWORD=PASSWORD) as talking:
            assert await line(watching) == "ada is live"
            async with running([*PYTHON, url, "ben", "listen", "ada", heard, f"{HEAR_S}"], PASSWORD=PASSWORD) as listening:
                await ended(listening)
            await ended(talking)
        assert await line(watching) == "ada has ended"
    sound, rate = soundfile.read(heard, dtype="float32", always_2d=True)
    assert rate == RATE_HZ
    assert_tone(tone_in(np.trim_zeros(sound.mean(axis=1))), least_s=HEAR_S / 2)


async def test_a_chord_pad(stage: Stage) -> None:
    """Each line is a chord, which all devices of the session get."""
    async with running([*PYTHON, stage.house.url, "ada", "chords"], PASSWORD=PASSWORD) as pad:
        assert pad.stdin is not None
        for chord in ("Am7", "F", "C#dim"):
            pad.stdin.write(f"{chord}\n".encode())
            assert await line(pad) == f"all devices have {chord}"
        pad.stdin.close()
        await ended(pad)
