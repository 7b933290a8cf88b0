"""werift, WebRTC written in TypeScript, publishes and listens in node."""

import shutil
from base64 import b64decode, b64encode

import pytest

from tests.clients.stage import HEAR_S, NPM, PROGRAMS, TALK_S, Stage, assert_tone, measured, running, said, tone
from tests.conftest import missing_program
from tests.support.sound import encode

PROGRAM = ["node", PROGRAMS / "werift.mjs"]


@pytest.fixture(scope="module", autouse=True)
def werift() -> None:
    if not shutil.which("node") or not (NPM / "werift").is_dir():
        missing_program("werift")


async def test_werift_publishes(stage: Stage) -> None:
    """What it was given to send is what a listener to `original` gets, byte for byte."""
    packets = encode(tone(TALK_S))
    async with running([*PROGRAM, "publish", stage.whip, stage.publish, f"{TALK_S}", NPM]) as phone:
        assert phone.stdin is not None
        phone.stdin.write(b"\n".join(map(b64encode, packets)) + b"\n")
        payloads = await stage.heard()
        await said(phone)
    assert payloads == packets[(first := packets.index(payloads[0])) : first + len(payloads)]
    assert_tone(measured(payloads))


async def test_werift_listens(stage: Stage) -> None:
    """Its packets decode to the tone."""
    async with stage.talking(), running([*PROGRAM, "listen", stage.whep, stage.listen, f"{HEAR_S}", NPM]) as phone:
        assert_tone(measured([b64decode(each) for each in await said(phone)]))
