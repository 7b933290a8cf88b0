"""Firefox publishes and listens, from a page of another origin."""

from itertools import pairwise
from pathlib import Path

from sfu.rtp import opus_samples
from tests.clients.firefox import firefox
from tests.clients.stage import HEAR_S, PROGRAMS, START_S, TALK_S, Stage, assert_tone, meanwhile, measured, recorded, tone_in

PHONE = (PROGRAMS / "browser.js").read_text()
PUBLISH = """async (url, authorization) => {
  const { Peer } = await import("/js/peer.js");
  const [track] = (await navigator.mediaDevices.getUserMedia({ audio: true })).getAudioTracks();
  window.peer = new Peer({ url, track, authorization });
  await window.peer.open();
}"""
PACK = """async (ms) => {
  await window.peer.pack(ms);
  const { connectionState, signalingState } = window.peer.connection;
  return [connectionState, signalingState, window.peer.answer.includes(`a=ptime:${ms}\\r\\n`)];
}"""


async def test_firefox_publishes_and_listens(stage: Stage, elsewhere: str, tmp_path: Path) -> None:
    """The tone of its fake microphone is heard as loud as it is, and it hears ours at our level."""
    async with firefox(tmp_path) as page:
        await page.goto(elsewhere)
        async with meanwhile(page.call(PHONE, "publish", stage.whip, stage.publish, TALK_S)) as saying:
            heard = measured(await stage.heard(samples=480))
            said = tone_in(recorded((await saying)["sound"]))
        assert_tone(heard)
        assert abs(heard.level_dbfs - said.level_dbfs) < 1, said
        assert not (await stage.ada.status())["live"]
        async with stage.talking():
            told = await page.call(PHONE, "listen", stage.whep, stage.listen, HEAR_S)
        assert_tone(tone_in(recorded(told["sound"])))


async def test_firefox_goes_over_to_other_packets_in_mid_stream(stage: Stage, tmp_path: Path) -> None:
    """As our page asks its connection to: it stays up, the packets get longer or shorter, and none is missing."""
    async with firefox(tmp_path) as page:
        await page.goto(f"{stage.house.url}/login")
        await page.call(PUBLISH, stage.whip, stage.publish)
        await stage.ben.until("ada", START_S, live=True)
        async with stage.ear() as ear:
            await ear.listen("ada", "?variant=original")
            for packet_ms in (20, 10, 20):
                before = len(ear.received)
                assert await page.call(PACK, packet_ms) == ["connected", "stable", True]
                await ear.heard(before + 50)
                assert opus_samples(ear.received[-1][1].payload) == packet_ms * 48
            packets = [packet for _, packet in ear.received]
        status = await stage.ada.status()
    assert status["loss"]["lost"] == 0
    assert all((later.sequence - earlier.sequence) & 0xFFFF == 1 for earlier, later in pairwise(packets))
    assert {(later.timestamp - earlier.timestamp) & 0xFFFFFFFF for earlier, later in pairwise(packets)} <= {480, 960, 1440}
