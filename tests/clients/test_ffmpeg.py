"""FFmpeg publishes with its WHIP muxer."""

import sys

from tests.clients.stage import TALK_S, Stage, assert_tone, measured, running, said


async def test_ffmpeg_publishes(stage: Stage) -> None:
    """Its stereo Opus reaches a listener as it came; at its end the broadcast is over or parked, and nothing is logged as wrong."""
    async with running([sys.executable, "-m", "tests.clients.programs.ffmpeg", stage.whip, stage.publish, f"{TALK_S}"]) as encoder:
        payloads = await stage.heard()
        await said(encoder)
    assert all(payload[0] & 4 for payload in payloads)  # the TOC's stereo bit (RFC 6716 §3.1)
    assert_tone(measured(payloads))
