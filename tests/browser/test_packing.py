"""A page on air goes over to longer packets where the room fills, and back; and what its listeners hear of it."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Page

from sfu.broadcast import adaptation
from sfu.broadcast.broadcast import Broadcast
from sfu.config.schema import Config, DenoiseConfig, HttpConfig, ModelsConfig, RtcConfig, StorageConfig
from sfu.denoise.capacity import Capacity
from sfu.wire import red
from sfu.wire.rtp import RtpPacket
from tests.browser.people import register, watched
from tests.support.people import signed_up
from tests.support.softphone import Softphone
from tests.support.sound import Sound, decode, delay_of, read_wav
from web.app import make_app
from web.keys import SWITCHBOARD
from workers.link.opus_toc import opus_samples

pytestmark = pytest.mark.real_time

BRIEF, USUAL = 480, 960  # samples
HUSHED = 1920  # after a change, while the voice is surely not back yet
ENOUGH_S = 2.5  # of each length: to be aligned with what was said
TRANSPORT = """async () => {
  const [connection] = window.__connections;
  const rows = [...(await connection.getStats()).values()];
  const [transport] = rows.filter((row) => row.type === "transport");
  const { dtlsState, selectedCandidatePairChanges, selectedCandidatePairId, iceLocalUsernameFragment, localCertificateId } = transport;
  return [window.__connections.length, dtlsState, selectedCandidatePairChanges, selectedCandidatePairId, iceLocalUsernameFragment,
    localCertificateId, rows.filter((row) => row.type === "outbound-rtp").map((row) => row.ssrc)];
}"""
ACCEPT = """async () => {
  const { incoming } = await (await fetch("/api/friend-requests/pending")).json();
  const headers = { "Content-Type": "application/json" }, body = JSON.stringify({ action: "accept" });
  for (const { id } of incoming) await fetch(`/api/friend-request/${id}/respond`, { method: "POST", headers, body });
}"""


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[TestServer]:
    """The whole server in this process, so that its capacity can be told of load that is not there."""
    config = Config(
        http=HttpConfig(host="127.0.0.1", port=0),
        rtc=RtcConfig(host=("127.0.0.1",), port=0),
        models=ModelsConfig(path=(), download=False),
        denoise=DenoiseConfig(default="passthrough"),
        storage=StorageConfig(path=Path(tempfile.mkdtemp(dir=folder))),
    )
    async with TestServer(make_app(config)) as server:
        yield server


def overheard(broadcast: Broadcast) -> list[RtpPacket]:
    """All that the broadcaster's page sends from now on, as it comes."""
    source, packets = broadcast.source.peer, []
    assert source is not None
    pass_on = source.on_rtp

    def hear(packet: RtpPacket, arrival_ns: int) -> None:
        packets.append(packet)
        pass_on(packet, arrival_ns)

    source.on_rtp = hear
    return packets


async def coming(packets: list[RtpPacket], samples: int, stretch: float) -> int:
    """Wait for packets of that length, and for enough of them; the index of the first."""
    first = len(packets)
    async with asyncio.timeout(40 * stretch):  # the page is asked three times, ten seconds apart, and waits for a pause each time
        while len(packets) - first < ENOUGH_S * 48_000 / samples:
            if len(packets) > first and _samples(packets[first]) != samples:
                first += 1
            else:
                await asyncio.sleep(0.02)
    return first


def _samples(packet: RtpPacket) -> int:
    return opus_samples(red.parse(packet.payload)[-1].payload)


def heard_by(ear: Softphone) -> list[RtpPacket]:
    """In order, each of them there once."""
    packets = sorted((packet for _, packet in ear.received), key=lambda packet: packet.timestamp)
    assert all((later.sequence - earlier.sequence) & 0xFFFF == 1 for earlier, later in pairwise(packets))
    return packets


def holes(packets: list[RtpPacket]) -> dict[int, int]:
    """Samples that are missing in time before a packet, by its index; none of them may overlap."""
    steps = [later.timestamp - earlier.timestamp - opus_samples(earlier.payload) for earlier, later in pairwise(packets)]
    assert min(steps) >= 0
    return {index: step for index, step in enumerate(steps, 1) if step}


def changes(packets: list[RtpPacket]) -> list[int]:
    """Indices of packets that last longer or shorter than the one before."""
    return [index for index, (one, other) in enumerate(pairwise(packets), 1) if opus_samples(one.payload) != opus_samples(other.payload)]


def laid_out(packets: list[RtpPacket]) -> Sound:
    """What was heard, each packet's sound at its time."""
    sound, at = decode([packet.payload for packet in packets]), 0
    line = np.zeros(packets[-1].timestamp - packets[0].timestamp + 2880, np.float32)
    for packet in packets:
        samples = opus_samples(packet.payload)
        line[packet.timestamp - packets[0].timestamp :][:samples] = sound[at : at + samples]
        at += samples
    return line


async def test_longer_packets_when_it_fills_and_brief_ones_when_it_is_empty(
    visit, tmp_path: Path, audio_folder: Path, monkeypatch: pytest.MonkeyPatch, stretch: float
) -> None:
    """In mid-stream, over the same connection, with RED; no number and no sound is missing, and each sound is at its time.

    Going back may cost the browser the half of a packet that it had begun: a hole of 10 ms, told by the time stamps.
    """
    monkeypatch.setattr(adaptation, "PATIENCE_S", 0.5)
    monkeypatch.setattr(Capacity, "watch_server", lambda *_: None)  # what the test itself takes is not the server's
    async with serving(tmp_path) as served:
        await goes_over(served, await watched(await visit()), read_wav(audio_folder / "noisy_snr0.wav"), stretch)


async def goes_over(served: TestServer, page: Page, voice: Sound, stretch: float) -> None:
    """Three times, on a server that is told how much it has to do."""
    url = str(served.make_url("")).rstrip("/")
    capacity = served.app[SWITCHBOARD]._services.capacity
    await register(page, url, "Ada")
    async with signed_up(url, "ben") as ben, signed_up(url, "cem") as cem, ben.phone() as raw, cem.phone() as clean:
        for friend in (ben, cem):
            await friend.call("POST", "/api/friend-request/send", {"username": "Ada"}, status=201)
        await page.evaluate(ACCEPT)
        await page.get_by_role("button", name="Start Streaming").click()
        await ben.until("Ada", 20 * stretch, live=True, denoise_state="active")
        broadcast = served.app[SWITCHBOARD].own("Ada")
        packets = overheard(broadcast)
        await asyncio.gather(raw.listen("Ada", "?variant=original"), clean.listen("Ada", "?variant=denoised"))
        await coming(packets, BRIEF, stretch)
        before = await page.evaluate(TRANSPORT)
        for cores, samples in ((9 * capacity.cores, USUAL), (0.0, BRIEF), (9 * capacity.cores, USUAL)):
            capacity.reserve("load", f"of {cores}")
            capacity.measured(f"of {cores}", cores, 100)
            first = await coming(packets, samples, stretch)
            assert len(red.parse(packets[first + 1].payload)) > 1  # the first one of a new encoder is alone
            assert red.parse(packets[first + 1].payload)[-2].offset == samples
        assert await page.evaluate(TRANSPORT) == before
        status = await ben.status("Ada")
        await page.get_by_role("button", name="Stop Streaming").click()
        await ben.until("Ada", live=False)
        async with asyncio.timeout(20 * stretch):
            while (recorded := (await ben.call("GET", "/api/recordings/Ada"))[0])["state"] != "ready":
                await asyncio.sleep(0.05)
    assert (status["loss"]["lost"], status["loss"]["concealed"]) == (0, 0)
    assert {packet.ssrc for packet in packets} == set(before[-1]) and len(before[-1]) == 1
    assert len({packet.payload_type for packet in packets}) == 1  # that of RED, as it could be taken apart
    assert all((later.sequence - earlier.sequence) & 0xFFFF == 1 for earlier, later in pairwise(packets))
    assert recorded["duration_s"] == pytest.approx(broadcast.ingest._timeline.end / 48_000, abs=0.001)
    original, denoised = heard_by(raw), heard_by(clean)
    assert_same_places(original, denoised)
    for packets_heard in (original, denoised):
        assert len(changes(packets_heard)) == 3
        assert_in_time(packets_heard, voice)


def assert_same_places(original: list[RtpPacket], denoised: list[RtpPacket]) -> None:
    """Each denoised packet has the number, time and length of the original whose sound it carries."""
    places = {packet.sequence: (packet.timestamp, opus_samples(packet.payload)) for packet in original}
    shared = [packet for packet in denoised if packet.sequence in places]
    assert len(shared) > 0.9 * len(original)
    assert all(places[packet.sequence] == (packet.timestamp, opus_samples(packet.payload)) for packet in shared)


def assert_in_time(packets: list[RtpPacket], voice: Sound) -> None:
    """Before and after each change it is as late against what was said as ever, and it goes over without a click."""
    line, start = laid_out(packets), packets[0].timestamp
    missing = holes(packets)
    assert all(opus_samples(packets[index].payload) == BRIEF and samples == BRIEF for index, samples in missing.items()), missing
    assert set(missing) <= set(changes(packets)), missing
    for at in (packets[index].timestamp - start for index in changes(packets)):
        begin, end = max(at - 96_000, 0), at + HUSHED
        before, after = (delay_of(voice, line[where : where + 96_000], most=len(voice)) for where in (begin, end))
        slip = (after - before - (end - begin) + BRIEF) % len(voice) - BRIEF  # what was said is said over and over
        assert abs(slip) < BRIEF, slip
        assert np.abs(line[at:end]).max() < np.abs(line).max() / 4
