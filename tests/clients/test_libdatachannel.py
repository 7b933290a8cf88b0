"""libdatachannel, the library that OBS's WHIP output is made of, publishes as OBS does, and listens."""

import shutil
from base64 import b64decode, b64encode

import pytest

from tests.clients.stage import HEAR_S, NPM, PROGRAMS, TALK_S, Stage, assert_tone, measured, running, said
from tests.conftest import missing_program
from tests.support.spoken import packets_of

PROGRAM = ["node", PROGRAMS / "libdatachannel.mjs"]


@pytest.fixture(scope="module", autouse=True)
def libdatachannel() -> None:
    if not shutil.which("node") or not (NPM / "@node-datachannel").is_dir():
        missing_program("node-datachannel")


@pytest.mark.parametrize("mode", ["publish", "insist"])
async def test_libdatachannel_publishes(stage: Stage, mode: str) -> None:
    """Sound and video are offered: a listener gets the stereo sound byte for byte, whether the refused video is sent or not."""
    packets = list(packets_of(TALK_S, channels=2))
    async with running([*PROGRAM, mode, stage.whip, stage.publish, f"{TALK_S}", NPM]) as encoder:
        assert encoder.stdin is not None
        encoder.stdin.write(b"\n".join(map(b64encode, packets)) + b"\n")
        payloads = await stage.heard()
        shown = await said(encoder)
    assert payloads == packets[(first := packets.index(payloads[0])) : first + len(payloads)]
    assert all(payload[0] & 4 for payload in payloads)  # the TOC's stereo bit (RFC 6716 §3.1)
    assert shown > 0 if mode == "insist" else shown == 0


async def test_libdatachannel_listens(stage: Stage) -> None:
    """Its packets decode to the tone."""
    async with stage.talking(), running([*PROGRAM, "listen", stage.whep, stage.listen, f"{HEAR_S}", NPM]) as phone:
        assert_tone(measured([b64decode(each) for each in await said(phone)]))
