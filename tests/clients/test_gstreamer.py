"""GStreamer's webrtcbin publishes and listens."""

import statistics
import subprocess

import pytest

from tests.clients.stage import CLOSE_DB, HEAR_S, PROGRAMS, TALK_S, TONE_DBFS, Stage, assert_tone, measured, running, said
from tests.conftest import missing_program

PYTHON = "/usr/bin/python3"  # Debian's bindings are for Debian's Python
ASK = """
import gi
gi.require_version('Gst', '1.0')
gi.require_version('GstWebRTC', '1.0')
from gi.repository import Gst, GstWebRTC
Gst.init(None)
assert all(map(Gst.ElementFactory.find, ('webrtcbin', 'nicesrc', 'opusenc', 'dtlsdec', 'srtpdec', 'level')))
"""


@pytest.fixture(scope="module", autouse=True)
def gstreamer() -> None:
    if subprocess.run([PYTHON, "-c", ASK], capture_output=True, check=False).returncode:
        missing_program("GStreamer with webrtcbin and its Python bindings")


async def test_gstreamer_publishes(stage: Stage) -> None:
    """Its packets of 10 ms are forwarded as such, and the tone is right."""
    async with running([PYTHON, PROGRAMS / "gstreamer.py", "publish", stage.whip, stage.publish, f"{TALK_S}"]) as phone:
        payloads = await stage.heard(samples=480)
        await said(phone)
    assert_tone(measured(payloads))
    assert not (await stage.ada.status())["live"]


async def test_gstreamer_listens(stage: Stage) -> None:
    """What it decodes has the tone's level."""
    async with stage.talking(), running([PYTHON, PROGRAMS / "gstreamer.py", "listen", stage.whep, stage.listen, f"{HEAR_S + 1}"]) as phone:
        levels = (await said(phone))["levels"]
    assert len(levels) >= HEAR_S * 10 * 0.8
    assert abs(statistics.median(levels) - TONE_DBFS) < CLOSE_DB, levels
