"""Several voices in one worker process: cleaned together, and none the worse for another."""

import asyncio
import gc
import json
import os
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tests.support.sound import read_wav
from tests.support.strangers import install
from tests.workers.link.test_forkserver import Way, dead
from tests.workers.speech import Paired, packets, voice
from workers.denoiser import BLOCK, Denoiser, Sound, VoiceState
from workers.link.bell import Bell
from workers.link.control import WorkerFailure, parse
from workers.link.forkserver import Forkserver
from workers.link.ring import Packet, Ring
from workers.plugins.deepfilternet import DeepFilterNet3, Engine
from workers.plugins.passthrough import Passthrough
from workers.plugins.rnnoise import RNNoise
from workers.voice.hop_batch import HopRequest, HopResult, Work, alone, cleaned
from workers.voice.pipeline import Pipeline
from workers.voice.process import LEFT, WARM_CALLS, Process, warm
from workers.voice.stage import HopCosts, Stage
from workers.voice.voice import VoiceRequest

SLEEP_S = 0.05


@pytest.fixture
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path)))


async def opened(stack: AsyncExitStack, forkserver: Forkserver, denoiser: str, count: int, stretch: float) -> list[Way]:
    ways = [await stack.enter_async_context(Way(forkserver, denoiser)) for _ in range(count)]
    for way in ways:
        await way.worker.ready(30 * stretch)
    return ways


async def test_voices_share_processes(stretch: float) -> None:
    """Six voices at share 4 are two processes, each voice is whole, and the last one ends its process."""
    sent = [packets(voice(0.5, seed)) for seed in range(6)]
    async with Forkserver(share=4) as forkserver:
        async with AsyncExitStack() as stack:
            ways = await opened(stack, forkserver, "rnnoise", 6, stretch)
            pids = [way.worker.pid for way in ways]
            assert len(set(pids)) == 2 and pids.count(pids[0]) == 4
            for row in zip(*sent, strict=True):
                for way, packet in zip(ways, row, strict=True):
                    way.put(packet)
                await asyncio.sleep(0.01 * stretch)  # less, and on a busy machine some would be passed over
            for way, each in zip(ways, sent, strict=True):
                await way.whole(each, 30 * stretch)
            await ways[0].worker.close()
            assert psutil.pid_exists(pids[0])
            [seventh] = await opened(stack, forkserver, "rnnoise", 1, stretch)
            assert seventh.worker.pid == pids[0]  # there is room again, in the fuller one
        assert not await dead(list(set(pids)), 20 * stretch)
        assert forkserver.alive


def in_step(works: list[Work[Any]]) -> list[Any]:
    """Drive several works, one hop of each at a time."""
    results: list[Any] = [None] * len(works)
    asks: dict[int, HopRequest] = {at: next(work) for at, work in enumerate(works)}
    while asks:
        at = list(asks)
        for index, answer in zip(at, cleaned([asks[each] for each in at]), strict=True):
            assert isinstance(answer, HopResult)
            try:
                asks[index] = works[index].send(answer)
            except StopIteration as end:
                results[index] = end.value
                del asks[index]
    return results


def test_pipelines_in_step() -> None:
    """Packets of several voices, worked off one hop of each at a time, are bit for bit those of each alone."""
    sent, kind = [packets(voice(0.5, seed)) for seed in range(4)], RNNoise({})
    apart = [Pipeline(kind) for _ in sent]
    wanted = [[done for packet in each for done in pipeline.push(packet)] for each, pipeline in zip(sent, apart, strict=True)]
    together = [Pipeline(kind) for _ in sent]
    got: list[list[Packet]] = [[] for _ in sent]
    for row in zip(*sent, strict=True):
        for out, done in zip(got, in_step([one.pushing(packet) for one, packet in zip(together, row, strict=True)]), strict=True):
            out += done
    for pipeline in (*apart, *together):
        pipeline.close()
    assert [[packet.payload for packet in each] for each in got] == [[packet.payload for packet in each] for each in wanted]


def test_a_batch_is_its_voices(deepfilternet3_graph: Path, audio_folder: Path) -> None:
    """What DeepFilterNet3 makes of five voices at once, some by two hops, is what it makes of each alone hop by hop, to 100 dB."""
    model: Denoiser = DeepFilterNet3({"graph": str(deepfilternet3_graph)})
    sound = read_wav(audio_folder / "noisy_snr0.wav").astype(np.float32)
    voices = [sound[start * 48_000 :][: 100 * BLOCK] for start in range(5)]

    def whole(voice: np.ndarray, hops: int = 1) -> Work[np.ndarray]:
        stage, out = Stage(model, 1440, HopCosts()), []
        for at in range(0, len(voice), hops * BLOCK):
            out.append((yield from stage.hop(voice[at : at + hops * BLOCK])))
        return np.concatenate(out)

    together = in_step([whole(each, hops) for each, hops in zip(voices, (1, 2, 2, 1, 2), strict=True)])
    for single, batched in zip([alone(whole(each)) for each in voices], together, strict=True):
        assert 10 * np.log10(np.sum(single**2) / np.sum((single - batched) ** 2)) > 100


class Moody:
    """An engine that raises at some of its calls, when asked for more than one voice."""

    def __init__(self, engine: Engine, bad: Sequence[int]) -> None:
        self._engine, self._bad, self._calls = engine, bad, 0
        self.latency, self.look_ahead, self.hops, self.open, self.hold = (
            engine.latency, engine.look_ahead, engine.hops, engine.open, engine.hold,
        )  # fmt: skip

    def run(self, frames: Sound, states: Sequence[Any]) -> tuple[Sound, Sequence[Any]]:
        self._calls += len(states) > 1
        if len(states) > 1 and self._calls in self._bad:
            raise RuntimeError("not this time")
        return self._engine.run(frames, states)


def test_a_batch_that_fails_is_not_heard(deepfilternet3_graph: Path, audio_folder: Path) -> None:
    """Where the engine chokes on a batch, also half-way through a start, each voice is what it is alone, to 100 dB."""
    calm = DeepFilterNet3({"graph": str(deepfilternet3_graph)})
    moody = DeepFilterNet3({"graph": str(deepfilternet3_graph)})
    moody._engine = Moody(moody._engine, (1, 4, 20))
    sound = read_wav(audio_folder / "noisy_snr0.wav").astype(np.float32)
    voices = [sound[start * 48_000 :][: 81 * BLOCK] for start in range(3)]

    def whole(model: Denoiser, voice: np.ndarray) -> Work[np.ndarray]:
        stage, out = Stage(model, 1440, HopCosts()), []
        for at in (0, *range(1, 81, 2)):
            out.append((yield from stage.hop(voice[at * BLOCK : (at + (2 if at else 1)) * BLOCK])))
        return np.concatenate(out)

    for each, failed in zip(voices, in_step([whole(moody, each) for each in voices]), strict=True):
        single = alone(whole(calm, each))
        assert np.sum((single - failed) ** 2) < 1e-10 * np.sum(single**2)


class Sleepy(Paired):
    """Takes its time where it is given two blocks."""

    def clean(self, voices: Sequence[VoiceState], noisy: Sound) -> Sound:
        time.sleep(SLEEP_S if noisy.shape[1] > BLOCK else 0)
        return super().clean(voices, noisy)


@pytest.mark.real_time
def test_a_hop_costs_its_part() -> None:
    """A voice with packets of 10 ms beside one with 20 is charged half of the call that did two hops of that one, and its own call."""
    kind, block = Sleepy({}), np.zeros(BLOCK, np.float32)
    begin = time.perf_counter_ns()
    answers = cleaned([HopRequest(kind, kind.open(), block), HopRequest(kind, kind.open(), np.tile(block, 2))])
    took_ns = time.perf_counter_ns() - begin
    short, long = [answer for answer in answers if isinstance(answer, HopResult)]
    assert sorted(kind.given) == [1, 2] and (len(short.sound), len(long.sound)) == (BLOCK, 2 * BLOCK)
    assert SLEEP_S / 2 * 1e9 <= short.hop_ns == long.hop_ns < 0.75 * took_ns


@pytest.mark.parametrize("calls", [2, WARM_CALLS])
def test_warm(calls: int) -> None:
    """Both lengths that a denoiser is given are warm, also after two calls."""
    kind = Paired({})
    warm(kind, calls)
    assert kind.given == [2, 1] * (calls // 2)


def loud(gain: float) -> list[Packet]:
    """As many packets of a tone as `voice(1)` gives."""
    return packets(np.float32(gain) * np.sin(np.arange(len(voice(1)), dtype=np.float32) / 20))


@pytest.mark.usefixtures("strangers")
@pytest.mark.parametrize(("gain", "reason"), [(1.2, "nan"), (3.5, "crashed")])
async def test_one_fails_alone(gain: float, reason: str, stretch: float) -> None:
    """The voice with which the model gives no numbers, or raises, ends; those beside it do not notice."""
    good = packets(voice(1) * np.float32(0.3))
    async with Forkserver(share=3) as forkserver, AsyncExitStack() as stack:
        ways = await opened(stack, forkserver, "fussy", 3, stretch)
        assert len({way.worker.pid for way in ways}) == 1
        for calm, wild in zip(good, loud(gain), strict=True):
            ways[0].put(calm)
            ways[1].put(wild)
            ways[2].put(calm)
            await asyncio.sleep(0.001)
        await asyncio.wait_for(ways[1].ended.wait(), 20 * stretch)
        assert [message.reason for message in ways[1].messages if isinstance(message, WorkerFailure)] == [reason]
        for way in (ways[0], ways[2]):
            await way.whole(good, 30 * stretch)
            assert not way.ended.is_set()


@pytest.mark.parametrize("bad", [None, 0, 2])
def test_a_voice_that_cannot_begin(bad: int | None) -> None:
    """For want of its denoiser or of a ring it is told why on its line, each descriptor is closed once, and there is no voice more."""
    process = Process({"passthrough": Passthrough({})})
    with Ring.create() as noisy, Ring.create() as clean, Bell.create() as noisy_bell, Bell.create() as clean_bell:
        near, far = socket.socketpair()
        fds = [*(os.dup(fd) for fd in (noisy.fd, noisy_bell.handed, clean.fd, clean_bell.handed)), far.detach()]
        if bad is not None:
            os.dup2(near.fileno(), fds[bad])
        process.take_in(VoiceRequest("nobody" if bad is None else "passthrough", 0), fds)
        again = [os.open(os.devnull, os.O_RDONLY) for _ in fds]  # who closes one twice closes another's
        gc.collect()
        assert sorted(again) == sorted(fds)
        for fd in again:
            os.close(fd)
        with near:
            assert isinstance(parse(near.recv(4096).strip()), WorkerFailure) and near.recv(1) == b""
    process.run()


def test_a_voice_whose_ends_do_not_all_come() -> None:
    """Where there was no descriptor left for some, those that came are closed, the forkserver is told, and the others go on."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near:
        ends = os.pipe()
        for count in (0, 2):
            socket.send_fds(near, [json.dumps(VoiceRequest("nobody", 0)._asdict()).encode()], ends[:count])
        for fd in ends:
            os.close(fd)
        near.shutdown(socket.SHUT_WR)
        Process({}, far).run()
        assert [near.recv(16) for _ in range(3)] == [LEFT, LEFT, b""]


async def test_a_flood_keeps_nobody_waiting(stretch: float) -> None:
    """Who sends ten seconds at once gets no more turns than the voice beside it."""
    sent = packets(voice(4))
    async with Forkserver(share=2) as forkserver, AsyncExitStack() as stack:
        wild, calm = await opened(stack, forkserver, "rnnoise", 2, stretch)
        for packet in sent:
            wild.put(packet)
        for packet in sent[:6]:
            calm.put(packet)
        await calm.until(lambda: calm.out, 30 * stretch)
        assert len(wild.out) < 100


async def test_a_death_is_everybodys(stretch: float) -> None:
    """Where the process is killed, each of its voices hears of it, and the next voice gets another process."""
    async with Forkserver(share=2) as forkserver, AsyncExitStack() as stack:
        ways = await opened(stack, forkserver, "passthrough", 2, stretch)
        ways[0].worker.kill()
        for way in ways:
            await asyncio.wait_for(way.ended.wait(), 20 * stretch)
        [other] = await opened(stack, forkserver, "passthrough", 1, stretch)
        assert other.worker.pid != ways[0].worker.pid


async def test_one_that_hangs_before_it_is_ready(stretch: float) -> None:
    """Also a shared worker that was forked and says nothing is dead when nobody waits for it any more."""
    async with Forkserver(share=2) as forkserver, Way(forkserver, "passthrough") as way:
        os.kill(way.worker.pid, signal.SIGSTOP)  # what it may have said by now has not been heard here
        await way.worker.close()
        assert not await dead([way.worker.pid], 20 * stretch)


@pytest.mark.usefixtures("strangers")
async def test_no_fork_with_threads(stretch: float, capfd: pytest.CaptureFixture[str]) -> None:
    """With a plugin that starts threads, and after it, workers are executed anew; one line says why."""
    sent = packets(voice(0.5))
    async with Forkserver(share=2) as forkserver, AsyncExitStack() as stack:
        ways = await opened(stack, forkserver, "threaded", 2, stretch)
        ways += await opened(stack, forkserver, "passthrough", 1, stretch)
        assert len({way.worker.pid for way in ways}) == 2
        for way in ways:
            for packet in sent:
                way.put(packet)
            await way.whole(sent, 30 * stretch)
    said = capfd.readouterr().err
    assert said.count("not forked") == 1 and "'a stray'" in said


@pytest.mark.real_time
async def test_nothing_is_left_lying(stretch: float) -> None:
    """Packets that come while others are worked on are taken up with no bell of their own."""
    sent = packets(voice(1))[:40]
    async with Forkserver() as forkserver, Way(forkserver, "passthrough") as way:
        await way.worker.ready(30 * stretch)
        for packet in sent:
            assert way.noisy.put(packet._replace(arrival_ns=time.monotonic_ns()))
        way.noisy_bell.ring()
        await way.until(lambda: len(way.out) == len(sent), 30 * stretch)
        assert len({packet.arrival_ns for packet in way.out}) >= len(sent) - 1  # each pushed out by its successor, not by a flush


@pytest.mark.real_time
async def test_start(stretch: float) -> None:
    """A worker that has been forked gives back its first packets without waiting for anything but their sound."""
    sent = packets(voice(0.5))
    async with Forkserver() as forkserver:
        await forkserver.load("rnnoise", {})
        begin = time.monotonic()
        async with Way(forkserver, "rnnoise") as way:
            for packet in sent[:4]:
                way.put(packet)
            await way.until(lambda: way.out, 30 * stretch)
            assert time.monotonic() - begin < 20 * stretch
