"""aiortc's RTCPeerConnection publishes and listens."""

import sys

from tests.clients.stage import HEAR_S, TALK_S, Stage, Tone, assert_tone, running, said

PROGRAM = [sys.executable, "-m", "tests.clients.programs.aiortc_phone"]


async def test_aiortc_publishes(stage: Stage) -> None:
    """Its tone is heard at its level; its DELETE stops the broadcast."""
    async with running([*PROGRAM, "publish", stage.whip, stage.publish, f"{TALK_S}"]) as phone:
        heard = await stage.heard_tone()
        await said(phone)
    assert_tone(heard)
    assert not (await stage.ada.status())["live"]


async def test_aiortc_listens(stage: Stage) -> None:
    """It hears the tone at its level."""
    async with stage.talking(), running([*PROGRAM, "listen", stage.whep, stage.listen, f"{HEAR_S}"]) as phone:
        assert_tone(Tone(**await said(phone)))
