"""Sound that survives: loss both ways with seeds, and broadcasters that change everything in the middle. What is lost is decided by
packets, never by the clock, and packets are sent faster than they sound."""

import asyncio
import os
import statistics
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from sfu.wire import red, rtcp
from tests.support.lossy import at_random, in_bursts
from tests.support.people import Person, friends
from tests.support.running import Server
from tests.support.softphone import OPUS, RED, Softphone, is_rtcp
from tests.support.sound import encode, read_wav
from tests.support.spoken import packets_of
from workers.link.opus_toc import opus_samples
from workers.voice.opus import has_fec

pytestmark = pytest.mark.real_time(pair=True)

PACE_S = 0.005  # between packets of 20 ms
PATIENT = {"denoise.default": "passthrough", "ingest.reorder_ms": 200}  # a busy machine may take its time to send again
JOINS = int(os.environ.get("HUSHCAST_TEST_JOINS", "100"))


def voice(n: int) -> bytes:
    """Packet n: Opus by its first byte (CELT, 20 ms, mono), and unlike any other."""
    return bytes([0xFC]) + n.to_bytes(4, "big")


class Sieve:
    """Loses RTP, nothing else, and remembers which sequences."""

    def __init__(self, lost: Callable[[], bool]) -> None:
        self.sequences: list[int] = []
        self._lost = lost

    def __call__(self, datagram: bytes) -> bool:
        if datagram[0] < 128 or is_rtcp(datagram) or not self._lost():
            return False
        self.sequences.append(int.from_bytes(datagram[2:4], "big"))
        return True


class Called(NamedTuple):
    ada: Person
    mic: Softphone
    ears: list[Softphone]


@asynccontextmanager
async def on_air(house: Server, *ears: str, denoise: bool = False, mic_red: bool = False) -> AsyncIterator[Called]:
    """ada on air, with her packet 0 sent, and ears: a variant each, `+red` behind it where it takes RED."""
    async with friends(house.url, "ada", "ben") as (ada, ben):
        async with ada.phone() as mic:
            await mic.publish("ada", f"?denoise={int(denoise)}", red=mic_red)
            mic.send(0, 0, voice(0))
            await ada.until("ada", live=True, **({"denoise_state": "active"} if denoise else {}))
            phones = [ben.phone() for _ in ears]
            try:
                for phone, ear in zip(phones, ears, strict=True):
                    await phone.listen("ada", f"?variant={ear.removesuffix('+red')}", red=ear.endswith("+red"))
                yield Called(ada, mic, phones)
            finally:
                for phone in phones:
                    await phone.hang_up()


async def talk(mic: Softphone, packets: Iterable[tuple[int, bytes]], *, red_too: bool = False, answer: bool = False) -> None:
    """Send packets of 20 ms as (number, payload); red_too: each with the one before; answer: what is asked for again is sent again."""
    sent: dict[int, bytes] = {}
    before: bytes | None = None
    for n, payload in packets:
        sent[n & 0xFFFF] = payload
        body = red.build(OPUS, payload, [(960, before)] if before is not None else []) if red_too else payload
        mic.send(n & 0xFFFF, n * 960 & 0xFFFFFFFF, body, payload_type=RED if red_too else OPUS)
        before = payload
        for _ in range(4):
            await asyncio.sleep(PACE_S / 4)
            while answer and mic.rtcp:
                packet = mic.rtcp.pop(0)
                for asked in packet.sequences if isinstance(packet, rtcp.Nack) else ():
                    mic.send(asked, asked * 960, sent[asked])


def payloads(phone: Softphone) -> dict[int, bytes]:
    """Everything that an ear can play: number -> payload, out of RED too."""
    found: dict[int, bytes] = {}
    for _, packet in phone.received:
        number = packet.sequence & 0x7FFF
        if packet.payload_type != RED:
            found[number] = packet.payload
            continue
        *earlier, primary = red.parse(packet.payload)
        found[number] = primary.payload
        for back, block in enumerate(reversed(earlier), 1):
            assert block.offset == 960 * back
            found.setdefault(number - back, block.payload)
    return found


def numbers(phone: Softphone) -> list[int]:
    return [packet.sequence & 0x7FFF for _, packet in phone.received]


# to the listener


async def test_a_lossy_listener_has_everything_after_asking(server: Any) -> None:
    """At 10 % loss RED brings back all but what was lost twice in a row; asked for soon, the rest comes, byte for byte."""
    house = await server(PATIENT)
    async with on_air(house, "original", "original+red") as (_, mic, (plain, doubled)):
        assert "red/48000" in doubled.answer and "red/48000" not in plain.answer
        sieves = [Sieve(at_random(0.1, seed)) for seed in (1, 2)]
        for first in range(1, 401, 40):
            plain.deaf, doubled.deaf = sieves
            await talk(mic, [(n, voice(n)) for n in range(first, first + 38)])
            plain.deaf = doubled.deaf = None
            await talk(mic, [(n, voice(n)) for n in range(first + 38, first + 40)])
            for phone, sieve in zip((plain, doubled), sieves, strict=True):
                await ask_for_missing(phone, sieve, range(first, first + 40))
        assert all(len(sieve.sequences) > 20 for sieve in sieves)
        for phone in (plain, doubled):
            have = payloads(phone)
            assert {n: have[n] for n in range(1, 401)} == {n: voice(n) for n in range(1, 401)}


async def ask_for_missing(phone: Softphone, sieve: Sieve, sent: range) -> None:
    """Once the last of these is there, ask for those that it cannot play, and wait until they have come."""
    async with asyncio.timeout(20):
        while sent[-1] not in numbers(phone):
            await asyncio.sleep(0.01)
    lost = {sequence & 0x7FFF for sequence in sieve.sequences} & set(sent)
    missing = set(sent) - set(payloads(phone))
    assert missing == (lost if "red/48000" not in phone.answer else {n for n in lost if n + 1 in lost})
    if missing:
        ask = rtcp.build_receiver_report(1) + rtcp.build_nack(1, phone.received[0][1].ssrc, sorted(missing))
        phone.send_rtcp(ask)
        await phone.heard(len(phone.received) + len(missing))


async def test_no_answer_beyond_what_was_sent(server: Any) -> None:
    """A listener that asks for everything under the sun gets what it was sent, and goes on hearing."""
    house = await server(PATIENT)
    async with on_air(house, "original") as (_, mic, (ear,)):
        await talk(mic, [(n, voice(n)) for n in range(1, 21)])
        await ear.heard(20)
        ssrc = ear.received[0][1].ssrc
        for first in range(0, 65_536, 17 * 64):
            ear.send_rtcp(rtcp.build_receiver_report(1) + rtcp.build_nack(1, ssrc, range(first, min(first + 17 * 64, 65_536))))
        await talk(mic, [(n, voice(n)) for n in range(21, 41)])
        async with asyncio.timeout(20):
            while numbers(ear)[-1] != 40:
                await asyncio.sleep(0.01)
        assert set(numbers(ear)) == set(range(1, 41)) and len(ear.received) <= 60


async def test_a_listener_that_talks_harms_nobody(server: Any) -> None:
    """Media from a listener, under its own or the broadcaster's SSRC, changes nothing for anybody."""
    house = await server(PATIENT)
    async with on_air(house, "original", "auto") as (ada, mic, (loud, ear)):
        for n in range(1, 61):
            await talk(mic, [(n, voice(n))])
            loud.ssrc = mic.ssrc if n % 2 else 9
            loud.send(n, n * 960, b"\xfcnonsense")
        await ear.heard(59)
        assert all(payload == voice(n) for phone in (loud, ear) for n, payload in payloads(phone).items())
        assert (await ada.status())["loss"] == {"received": 61, "lost": 0, "concealed": 0}


# from the broadcaster


async def test_red_from_the_broadcaster_fills_the_gaps(server: Any) -> None:
    """A broadcaster that sends everything twice loses only what is lost twice in a row; all others are where they belong."""
    house = await server({**PATIENT, "ingest.reorder_ms": 20})
    async with on_air(house, "original", mic_red=True) as (ada, mic, (ear,)):
        assert "red/48000" in mic.answer
        mic.lossy = sieve = Sieve(at_random(0.1, 3))
        await talk(mic, [(n, voice(n)) for n in range(1, 401)], red_too=True)
        mic.lossy = None
        await talk(mic, [(n, voice(n)) for n in range(401, 411)], red_too=True)
        lost = {n for n in sieve.sequences if n + 1 in sieve.sequences}
        await ear.heard(410 - len(lost))
        assert len(sieve.sequences) > 20 and payloads(ear) == {n: voice(n) for n in range(1, 411) if n not in lost}
        assert numbers(ear) == sorted(numbers(ear))
        assert (await ada.status())["loss"]["lost"] == len(lost)


async def test_what_the_broadcaster_sends_again_is_in_its_place(server: Any) -> None:
    """What is asked for and sent again is heard in order, nothing is lost, and the denoised line conceals nothing."""
    house = await server(PATIENT)
    async with on_air(house, "original", "auto", denoise=True) as (ada, mic, (raw, clean)):
        mic.lossy = sieve = Sieve(in_bursts(0.1, 3, 4))
        await talk(mic, [(n, voice(n)) for n in range(1, 301)], answer=True)
        mic.lossy = None
        await talk(mic, [(n, voice(n)) for n in range(301, 321)], answer=True)
        await raw.heard(320)
        async with asyncio.timeout(20):
            while numbers(clean)[-1] != 320:
                await asyncio.sleep(0.01)
        assert len(sieve.sequences) > 10 and numbers(raw) == list(range(1, 321))
        assert numbers(clean) == list(range(numbers(clean)[0], 321))
        assert (await ada.status())["loss"]["lost"] == 0
        await asyncio.sleep(1.1)  # the worker counts once a second
        assert (await ada.status())["loss"]["concealed"] == 0


async def test_fec_repairs_what_is_not_sent_again(server: Any, audio_folder: Path) -> None:
    """With FEC in the packets most of what is lost is repaired, and the denoised line has no hole at all."""
    house = await server({**PATIENT, "ingest.reorder_ms": 20})
    packets = encode(read_wav(audio_folder / "clean_freesound_33711.wav"), bitrate=32_000, loss=20)[:400]
    async with on_air(house, "auto", denoise=True) as (ada, mic, (ear,)):
        mic.lossy = sieve = Sieve(at_random(0.1, 5))
        await talk(mic, list(enumerate(packets[:-5]))[1:])
        mic.lossy = None
        await talk(mic, list(enumerate(packets))[-5:])
        async with asyncio.timeout(20):
            while not ear.received or numbers(ear)[-1] != len(packets) - 1:
                await asyncio.sleep(0.01)
        await asyncio.sleep(1.1)
        loss = (await ada.status())["loss"]
    heard = numbers(ear)
    assert heard == list(range(heard[0], len(packets)))
    assert loss["lost"] == len(sieve.sequences) > 20 and loss["concealed"] <= 0.5 * loss["lost"]


async def test_fec_follows_those_whom_it_helps(server: Any, audio_folder: Path) -> None:
    """The worker's encoder adds FEC once a listener without RED loses denoised packets, not for one with RED; the
    broadcaster is told of the loss of those who hear her own packets, and of no other."""
    house = await server(PATIENT)
    packets = list(enumerate(encode(read_wav(audio_folder / "clean_freesound_33711.wav"))))
    async with on_air(house, "auto+red", "auto", "original", denoise=True) as (_, mic, (doubled, plain, raw)):

        async def said(phone: Softphone, first: int) -> tuple[float, float]:
            """While that listener reports 20 %: the share of denoised packets with FEC, and what the broadcaster is told."""
            plain.received.clear()
            mic.rtcp.clear()
            for start in range(first, first + 120, 10):
                await talk(mic, packets[start : start + 10])
                ssrc = doubled.received[0][1].ssrc
                phone.send_rtcp(rtcp.build_receiver_report(1, [rtcp.Report(ssrc, 51, 0, 0, 0)]))
                await asyncio.sleep(0.05)
            repaired = [has_fec(packet.payload) for _, packet in plain.received[-60:]]
            told = [report.fraction_lost for each in mic.rtcp if isinstance(each, rtcp.ReceiverReport) for report in each.reports]
            return statistics.mean(repaired), told[-1] / 256

        assert await said(doubled, 1) == (0, 0)
        assert await said(raw, 121) == (0, pytest.approx(0.2, abs=0.05))
        repaired, _ = await said(plain, 241)
        assert repaired > 0.4


@pytest.mark.parametrize("lost", [3, pytest.param(6, marks=pytest.mark.slow)])
async def test_a_hole_behind_which_the_worker_ran_dry_is_made_up(server: Any, audio_folder: Path, lost: int) -> None:
    """Up to 120 ms, lost at once and never sent again, are concealed with their numbers and times: the denoised line has no hole."""
    house = await server({"denoise.default": "passthrough"})
    packets = encode(read_wav(audio_folder / "clean_freesound_33711.wav"))[:200]
    gone = frozenset(n + each for n in range(40, 190, 50) for each in range(lost))
    async with on_air(house, "denoised", denoise=True) as (ada, mic, (ear,)):
        await mic.talk(packets[1:], first=1, skip=frozenset(n - 1 for n in gone))
        async with asyncio.timeout(20):
            while not ear.received or numbers(ear)[-1] != len(packets) - 1:
                await asyncio.sleep(0.01)
            while (status := (await ada.status())["loss"])["concealed"] < len(gone):
                await asyncio.sleep(0.1)
    assert status["lost"] == status["concealed"] == len(gone)
    assert numbers(ear) == list(range(numbers(ear)[0], len(packets))) and numbers(ear)[0] < 40
    times = [packet.timestamp - ear.received[0][1].timestamp & 0xFFFFFFFF for _, packet in ear.received]
    assert times == [960 * n for n in range(len(times))]


@pytest.mark.parametrize("lost", [pytest.param(20, marks=pytest.mark.slow), 100])
async def test_delay_is_back_after_a_burst(server: Any, lost: int) -> None:
    """Two seconds after 20 packets, or two seconds of sound, were lost a listener is as far behind as before: within two packets."""
    house = await server({"denoise.default": "passthrough"})
    async with on_air(house, "auto", denoise=True) as (_, mic, (ear,)):
        behind: dict[int, int] = {}

        def note(n: int) -> None:
            behind[n] = n - (numbers(ear)[-1] if ear.received else 0)

        for n in range(1, 50 + lost + 150):
            await asyncio.sleep(0.02)
            if not 50 <= n < 50 + lost:
                note(n)
                mic.send(n, n * 960, voice(n))
    before = statistics.median(behind[n] for n in range(25, 50))
    after = statistics.median(behind[n] for n in range(50 + lost + 100, 50 + lost + 150))
    assert after <= before + 2


# a broadcaster that changes in the middle


class Part(NamedTuple):
    """Packets of one kind in a row. jump: how much further than it should the RTP clock is, from here on; quiet: samples of silence
    that were not sent (DTX)."""

    packets: Sequence[bytes]
    samples: int = 960
    ssrc: int = 0  # added to the phone's
    sequence: int = 0  # jump of the numbering
    jump: int = 0
    quiet: int = 0
    payload_type: int = OPUS


def spoken(frame_ms: float, seconds: float = 0.6, channels: int = 1, **more: int) -> Part:
    return Part(packets_of(seconds, frame_ms, channels), int(frame_ms * 48), **more)


CHANGES = {
    "durations": [spoken(ms) for ms in (20, 2.5, 10, 40, 60, 20, 5, 20)],
    "long packets": [spoken(20), spoken(120), spoken(20), spoken(100), spoken(80), spoken(20)],
    "stereo": [spoken(20), spoken(20, channels=2), spoken(10, channels=2), spoken(20)],
    "ssrc": [spoken(20), spoken(20, ssrc=1), spoken(20, ssrc=2)],
    "sequence": [spoken(20), spoken(20, sequence=20_000), spoken(20, sequence=20_000), spoken(20, sequence=20_000)],
    "clock by hours": [spoken(20), spoken(20, jump=48_000 * 3600 * 5), spoken(20, jump=-48_000 * 3600 * 9), spoken(20)],
    "silence": [spoken(20), spoken(20, quiet=19_200), spoken(20, quiet=48_000 * 2)],
    "payload type": [spoken(20), spoken(20, payload_type=RED), spoken(20)],
}


@pytest.mark.parametrize("name", CHANGES)
async def test_changes_in_the_middle(server: Any, name: str) -> None:
    """Whatever a broadcaster changes: every packet is heard once, in order, as long as it was, denoised too, and the recording is as
    long as the sound."""
    house = await server({"denoise.default": "passthrough"})
    parts = CHANGES[name]
    async with on_air(house, "original", "auto", denoise=True, mic_red=True) as (ada, mic, (raw, clean)):
        sent, spoken_samples, sequence, clock, own = 0, 960, 1, 960, mic.ssrc
        for part in parts:
            mic.ssrc = own + part.ssrc & 0xFFFFFFFF
            sequence, clock = sequence + part.sequence, clock + part.jump + part.quiet
            spoken_samples += part.quiet
            for payload in part.packets:
                body = red.build(OPUS, payload) if part.payload_type == RED else payload
                mic.send(sequence & 0xFFFF, clock & 0xFFFFFFFF, body, payload_type=part.payload_type)
                sent, spoken_samples = sent + 1, spoken_samples + part.samples
                sequence, clock = sequence + 1, clock + part.samples
                await asyncio.sleep(PACE_S * part.samples / 960)
        await asyncio.gather(raw.heard(sent), clean.heard(sent - 4))
        loss = (await ada.status())["loss"]
        recording = (await ada.call("POST", "/api/stream/stop"))["recording"]
        async with asyncio.timeout(20):
            while numbers(clean)[-1] != sent:
                await asyncio.sleep(0.01)
        [row] = [each for each in await ada.call("GET", "/api/recordings") if each["id"] == recording]
    assert (loss["received"], loss["lost"]) == (sent + 1, 0)
    assert [packet.payload for _, packet in raw.received] == [payload for part in parts for payload in part.packets]
    for phone in (raw, clean):
        phone.received = [each for each in phone.received if each[1].sequence & 0x7FFF]  # packet 0 may still have been held
        assert numbers(phone) == list(range(1, sent + 1))
        durations = [opus_samples(packet.payload) for _, packet in phone.received]
        assert durations == [part.samples for part in parts for _ in part.packets]
        for (_, earlier), (_, later), samples in zip(phone.received, phone.received[1:], durations, strict=False):
            assert (later.timestamp - earlier.timestamp) & 0xFFFFFFFF >= samples
    assert [packet.timestamp for _, packet in raw.received] == [packet.timestamp for _, packet in clean.received]
    stretch = (raw.received[-1][1].timestamp - raw.received[0][1].timestamp) & 0xFFFFFFFF
    assert row["duration_s"] == pytest.approx((stretch + 960 + durations[-1]) / 48_000, abs=0.03)
    assert row["duration_s"] >= spoken_samples / 48_000 - 0.001


# coming and going


async def figures(ada: Person, house: Server) -> dict[str, float]:
    """What a server holds on to: descriptors, threads, tasks, children, memory."""
    async with ada.http.get(f"{house.url}/metrics") as response:
        lines = dict(line.rsplit(" ", 1) for line in (await response.text()).splitlines() if not line.startswith("#"))
    process = psutil.Process(house.pid)
    with process.oneshot():
        return {
            "fds": process.num_fds(),
            "threads": process.num_threads(),
            "children": len(process.children(recursive=True)),
            "tasks": float(lines["hushcast_tasks"]),
            "megabytes": process.memory_info().rss / 2**20,
        }


async def test_joins_and_leaves_leave_nothing(server: Any) -> None:
    """After many joins and leaves, tidy and rude ones, descriptors, tasks, threads and memory are where they were."""
    house = await server({"denoise.default": "passthrough"})
    async with on_air(house, denoise=True) as (ada, mic, _):
        speaking = asyncio.create_task(talk(mic, ((n, voice(n)) for n in range(1, 10**6))))

        async def join(n: int) -> None:
            async with ada.phone() as phone:
                await phone.listen("ada", f"?variant={('auto', 'original', 'denoised')[n % 3]}", red=n % 2 == 0)
                await phone.heard(1)
                if n % 2:
                    assert await phone.delete() == 200
                elif n % 4:
                    phone.lossy = Sieve(lambda: True)  # goes without a word of media; DTLS says that it is over

        async def settled() -> dict[str, float]:
            async with asyncio.timeout(20):
                while (await ada.status())["listeners"]:
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)
            return await figures(ada, house)

        try:
            for n in range(0, 24, 4):
                await asyncio.gather(*map(join, range(n, n + 4)))
            before = await settled()
            for n in range(0, JOINS, 4):
                await asyncio.gather(*map(join, range(n, n + 4)))
            after = await settled()
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
    print(f"{JOINS} joins and leaves: {before} -> {after}")
    assert after["fds"] <= before["fds"] + 2 and after["threads"] <= before["threads"] + 1 and after["children"] <= before["children"]
    assert after["tasks"] <= before["tasks"] + 2
    assert after["megabytes"] <= before["megabytes"] + 8  # the C library's own, over the first few hundred: no object is left
