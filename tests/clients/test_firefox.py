"""Firefox publishes and listens, from a page of another origin."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.clients.firefox import Firefox, firefox
from tests.clients.stage import (
    CLOSE_DB,
    HEAR_S,
    PROGRAMS,
    START_S,
    TALK_S,
    TONE_DBFS,
    Stage,
    assert_tone,
    meanwhile,
    measured,
    recorded,
    tone_in,
)
from tests.support.lossy import Lossy
from workers.link.opus_toc import opus_samples

PHONE = (PROGRAMS / "browser.js").read_text()
PUBLISH = """async (url, authorization) => {
  const { Peer } = await import("/js/rtc/peer.js");
  const [track] = (await navigator.mediaDevices.getUserMedia({ audio: true })).getAudioTracks();
  window.peer = new Peer({ url, track, authorization });
  await window.peer.open();
}"""
PACK = """async (ms) => {
  await window.peer.setPacketTime(ms);
  const { connectionState, signalingState } = window.peer.connection;
  return [connectionState, signalingState, window.peer.answer.includes(`a=ptime:${ms}\\r\\n`)];
}"""


# A connection through a relay, kept: `window.pc`, and what it plays.
CONNECT = """async (mode, url, token, port) => {
  const pc = window.pc = new RTCPeerConnection({ iceServers: [] });
  if (mode === "publish") {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    pc.addTrack(stream.getAudioTracks()[0], stream);
  } else {
    window.ear = new Audio();
    window.ear.srcObject = new MediaStream([pc.addTransceiver("audio", { direction: "recvonly" }).receiver.track]);
    window.ear.play().catch(() => {});
  }
  await pc.setLocalDescription(await pc.createOffer());
  const headers = { "Content-Type": "application/sdp", Authorization: `Bearer ${token}` };
  const response = await fetch(url, { method: "POST", headers, body: pc.localDescription.sdp });
  const relayed = (await response.text()).split("\\r\\n").filter(line => !/^a=candidate:\\S+ 1 tcp/.test(line))
    .map(line => line.replace(/^(a=candidate:\\S+ 1 udp \\d+ \\S+) \\d+/, `$1 ${port}`));
  await pc.setRemoteDescription({ type: "answer", sdp: relayed.join("\\r\\n") });
  while (pc.connectionState !== "connected") {
    if (pc.connectionState === "failed") throw new Error("failed");
    await new Promise(then => setTimeout(then, 50));
  }
  return new URL(response.headers.get("Location"), url).href;
}"""
# Packets that came, the level of what is played (that of a tone, in dBFS), and when the other end last reported.
LOOK = """async () => {
  const stats = [...(await window.pc.getStats()).values()], heard = stats.find(each => each.type === "inbound-rtp");
  return {
    state: window.pc.connectionState,
    packets: heard?.packetsReceived ?? 0,
    level: 20 * Math.log10(Math.max(heard?.audioLevel ?? 0, 1e-6)) - 3.01,
    reported: stats.find(each => each.type === "remote-inbound-rtp")?.timestamp ?? 0,
  };
}"""


async def until(page: Firefox, true: Callable[[dict[str, Any]], bool], timeout_s: float) -> dict[str, Any]:
    """What LOOK says once it says what is waited for."""
    async with asyncio.timeout(timeout_s):
        while True:
            seen: dict[str, Any] = await page.call(LOOK)
            assert seen["state"] == "connected", seen
            if true(seen):
                return seen
            await asyncio.sleep(0.1)


async def test_firefox_hears_again_from_another_port(stage: Stage, tmp_path: Path, stretch: float) -> None:
    """It does not nominate again when its NAT gives out another port: for seconds it hears nothing, then by itself the tone again."""
    async with firefox(tmp_path) as page, Lossy(stage.house.media_port) as relay, stage.talking():
        await page.goto(f"{stage.house.url}/login")
        await page.call(CONNECT, "listen", stage.whep, stage.listen, relay.port)
        await until(page, lambda seen: abs(seen["level"] - TONE_DBFS) < CLOSE_DB, 20 * stretch)
        relay.rebind()
        gone = (await until(page, lambda seen: seen["level"] < -60, 20 * stretch))["packets"]
        await until(page, lambda seen: seen["packets"] > gone + 50 and abs(seen["level"] - TONE_DBFS) < CLOSE_DB, 30 * stretch)
        assert (await stage.ada.status())["listeners"] == 1


async def test_firefox_is_heard_on_from_another_port(stage: Stage, tmp_path: Path, stretch: float) -> None:
    """Its media is followed: no packet is missing, and it goes on being told how it is heard."""
    async with firefox(tmp_path) as page, Lossy(stage.house.media_port) as relay, stage.ear() as ear:
        await page.goto(f"{stage.house.url}/login")
        await page.call(CONNECT, "publish", stage.whip, stage.publish, relay.port)
        live = await stage.ben.until("ada", START_S, live=True)
        await ear.listen("ada", "?variant=original")
        before = await until(page, lambda seen: seen["reported"] > 0, 20 * stretch)
        relay.rebind()
        await ear.heard(len(ear.received) + 100)
        await until(page, lambda seen: seen["reported"] > before["reported"] + 2000, 20 * stretch)
        status = await stage.ada.status()
        assert status["broadcast"] == live["broadcast"] and status["loss"]["lost"] == 0
        packets = [packet for _, packet in ear.received]
        assert all((later.sequence - earlier.sequence) & 0xFFFF == 1 for earlier, later in pairwise(packets))
        await stage.ada.call("POST", "/api/stream/stop")


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
