"""The forkserver and its workers: real processes, real deaths."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import psutil
import pytest
import uvloop

from tests.support.running import ROOT
from tests.support.strangers import install
from tests.workers.speech import decoded, lag, packets, places, voice
from workers.errors import WorkerFailed
from workers.link import forkserver as forkservers
from workers.link.bell import Bell
from workers.link.control import Adjust, Message, Stats, WorkerFailure
from workers.link.forkserver import Forkserver, Worker
from workers.link.ring import Packet, Ring

uvloop.new_event_loop().close()  # libuv's own pipe for signals, made once for the process and kept


class Way:
    """Two rings, two bells and a worker between them, as a broadcast has them."""

    def __init__(self, forkserver: Forkserver, denoiser: str, options: Mapping[str, object] | None = None) -> None:
        self.forkserver, self.denoiser, self.options = forkserver, denoiser, options or {}
        self.out: list[Packet] = []
        self.messages: list[Message] = []
        self.came = asyncio.Event()
        self.ended = asyncio.Event()

    async def __aenter__(self) -> "Way":
        self._open = AsyncExitStack()
        stack = self._open.enter_context(ExitStack())
        self.noisy, self.clean = stack.enter_context(Ring.create()), stack.enter_context(Ring.create())
        self.noisy_bell, self.clean_bell = stack.enter_context(Bell.create()), stack.enter_context(Bell.create())
        try:
            self.worker = await self.forkserver.spawn(self.denoiser, self.options, self.noisy, self.noisy_bell, self.clean, self.clean_bell)
        except BaseException:
            await self._open.aclose()
            raise
        self._open.push_async_callback(self.worker.close)
        self.worker.on_message(self.messages.append)
        self.worker.on_end(self.ended.set)
        asyncio.get_running_loop().add_reader(self.clean_bell, self._take)
        self._open.callback(asyncio.get_running_loop().remove_reader, self.clean_bell.fd)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    def put(self, packet: Packet) -> None:
        assert self.noisy.put(packet._replace(arrival_ns=time.monotonic_ns()))
        self.noisy_bell.ring()

    async def until(self, true: Callable[[], object], timeout_s: float) -> None:
        async with asyncio.timeout(timeout_s):
            while not true():
                self.came.clear()
                await self.came.wait()

    async def whole(self, sent: Sequence[Packet], timeout_s: float) -> None:
        """Wait until all that was put in has come out in its place, but for what a worker that got no processor has passed over."""
        await self.until(lambda: len(self.out) + self.noisy.skipped == len(sent), timeout_s)
        came, whole = places(self.out), places(sent)
        assert came == (whole if not self.noisy.skipped else [place for place in whole if place in came])
        assert came[-1:] == whole[-1:]  # who is late goes on with the newest

    def _take(self) -> None:
        self.out += self.clean.take_all(self.clean_bell)
        self.came.set()


@pytest.fixture
async def forkserver() -> AsyncIterator[Forkserver]:
    async with Forkserver() as started:
        yield started


async def dead(pids: list[int], timeout_s: float) -> list[int]:
    """Those of `pids` that still live after at most so long."""
    deadline = time.monotonic() + timeout_s
    while (left := [pid for pid in pids if psutil.pid_exists(pid)]) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    return left


async def died(worker: Worker, stretch: float) -> None:
    await asyncio.wait_for(worker.gone.wait(), 20 * stretch)


async def test_through(forkserver: Forkserver, stretch: float) -> None:
    """Packets put into the first ring come out of the second in their places, and the tail comes by itself."""
    sent = packets(voice(1))
    async with Way(forkserver, "passthrough") as way:
        ready = await way.worker.ready(30 * stretch)
        assert (ready.pid, ready.denoiser, ready.latency, ready.delay) == (way.worker.pid, "passthrough", 0, 960)
        for packet in sent:
            way.put(packet)
            await asyncio.sleep(0.001)
        await way.whole(sent, 30 * stretch)
        assert way.noisy.skipped or lag(decoded(sent), decoded(way.out)) == 0


async def test_words(forkserver: Forkserver, stretch: float) -> None:
    """A worker tells every second how it is, and does what it is told."""
    async with Way(forkserver, "passthrough") as way:
        await way.worker.ready(30 * stretch)
        way.worker.send(Adjust(strength_db=20, complexity=2, loss_percent=15))
        for packet in packets(voice(0.5)):
            way.put(packet)
        async with asyncio.timeout(30 * stretch):
            while not any(isinstance(message, Stats) and message.received for message in way.messages):
                await asyncio.sleep(0.05)
        stats = next(message for message in way.messages if isinstance(message, Stats) and message.received)
        assert stats.hops >= 2 * stats.received and stats.packet_ms.p99 >= stats.packet_ms.p50 > 0


@pytest.mark.real_time
async def test_garbage_on_the_line(forkserver: Forkserver, stretch: float) -> None:
    """What is no message on the control line harms nothing."""
    async with Way(forkserver, "passthrough") as way:
        await way.worker.ready(30 * stretch)
        way.worker._line.send(b"\xff{}\n[1\n" + b"x" * 70_000 + b"\n")
        for packet in packets(voice(0.2)):
            way.put(packet)
        await way.until(lambda: len(way.out) >= 5, 30 * stretch)


async def test_unknown(forkserver: Forkserver) -> None:
    """An unknown denoiser is an answer, not the end; so are options that do not do."""
    for ask in (forkserver.load("nobody", {}), forkserver.load("deepfilternet3", {"graph": "/nowhere"})):
        with pytest.raises(WorkerFailed):
            await ask
    with pytest.raises(WorkerFailed) as caught:
        await Way(forkserver, "nobody").__aenter__()
    assert caught.value.reason == "unknown_denoiser"
    await forkserver.load("passthrough", {})
    assert forkserver.alive


async def test_killed(forkserver: Forkserver, stretch: float) -> None:
    """A killed worker is known to be dead, and the next one is like it."""
    for _ in range(3):
        async with Way(forkserver, "passthrough") as way:
            await way.worker.ready(30 * stretch)
            way.worker.kill()
            await asyncio.wait_for(way.ended.wait(), 20 * stretch)
            assert not await dead([way.worker.pid], 20 * stretch)


async def test_killed_unready(forkserver: Forkserver, stretch: float) -> None:
    """Who waits for a worker that dies hears of it."""
    async with Way(forkserver, "rnnoise") as way:
        way.worker.kill()
        with pytest.raises(WorkerFailed):
            await way.worker.ready(30 * stretch)
            await died(way.worker, stretch)
            raise WorkerFailed("it was quick")


@pytest.mark.parametrize("vice", [signal.SIGSTOP, None])
async def test_close(forkserver: Forkserver, vice: signal.Signals | None, stretch: float) -> None:
    """Closing waits until the process is dead, even of one that hangs, and may be done twice."""
    async with Way(forkserver, "passthrough") as way:
        await way.worker.ready(30 * stretch)
        if vice:
            os.kill(way.worker.pid, vice)
        await way.worker.close()
        await way.worker.close()
        assert way.worker.gone.is_set() and way.ended.is_set()
        assert not await dead([way.worker.pid], 20 * stretch)


async def test_cancelled_close(forkserver: Forkserver, stretch: float) -> None:
    """Who stops waiting for the end of a worker that hangs leaves none behind."""
    async with Way(forkserver, "passthrough") as way:
        await way.worker.ready(30 * stretch)
        os.kill(way.worker.pid, signal.SIGSTOP)
        closing = asyncio.ensure_future(way.worker.close())
        await asyncio.sleep(0.01)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert not await dead([way.worker.pid], 20 * stretch)


async def test_late_end(forkserver: Forkserver, stretch: float) -> None:
    """Who asks about the end after it is told too."""
    async with Way(forkserver, "passthrough") as way:
        way.worker.kill()
        await died(way.worker, stretch)
        late = asyncio.Event()
        way.worker.on_end(late.set)
        await asyncio.wait_for(late.wait(), 20 * stretch)


async def test_forkserver_killed(forkserver: Forkserver, stretch: float) -> None:
    """A killed forkserver takes its workers along, says so, and whoever asks it something gets an error."""
    async with Way(forkserver, "passthrough") as way, Way(forkserver, "rnnoise") as other:
        await way.worker.ready(30 * stretch)
        os.kill(forkserver.pid, signal.SIGKILL)
        await asyncio.wait_for(forkserver.gone.wait(), 20 * stretch)
        assert not forkserver.alive
        await died(way.worker, stretch)
        await died(other.worker, stretch)
        with pytest.raises(WorkerFailed):
            await forkserver.load("passthrough", {})


async def test_asked_and_killed(forkserver: Forkserver) -> None:
    """A question that is open when the forkserver dies is answered with an error."""
    os.kill(forkserver.pid, signal.SIGSTOP)
    asking = asyncio.ensure_future(forkserver.load("rnnoise", {}))
    await asyncio.sleep(0)
    os.kill(forkserver.pid, signal.SIGKILL)
    with pytest.raises(WorkerFailed):
        await asking


async def test_hanging(stretch: float) -> None:
    """A forkserver that does not answer is killed, and gone for the next who asks."""
    async with Forkserver(patience_s=0.2) as forkserver:
        os.kill(forkserver.pid, signal.SIGSTOP)
        with pytest.raises(WorkerFailed):
            await forkserver.load("rnnoise", {})
        assert not forkserver.alive and forkserver.last_asked == "rnnoise"
        assert not await dead([forkserver.pid], 20 * stretch)
        with pytest.raises(WorkerFailed):
            await forkserver.load("passthrough", {})


async def test_cancelled_spawn(forkserver: Forkserver, stretch: float) -> None:
    """Who stops waiting for a worker leaves none behind."""
    for turns in (1, 2, 5, 20):
        spawning = asyncio.ensure_future(Way(forkserver, "passthrough").__aenter__())
        for _ in range(turns):
            await asyncio.sleep(0)
        spawning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await spawning
    await forkserver.load("rnnoise", {})
    pids = [child.pid for child in psutil.Process(forkserver.pid).children()]
    assert not await dead(pids, 20 * stretch)


async def test_children_end_with_the_forkserver(stretch: float) -> None:
    """Letting the forkserver go ends its workers, the stopped ones too."""
    async with AsyncExitStack() as closing:
        forkserver = await Forkserver().__aenter__()
        ways = [await closing.enter_async_context(Way(forkserver, "passthrough")) for _ in range(3)]
        await ways[0].worker.ready(30 * stretch)
        os.kill(ways[0].worker.pid, signal.SIGSTOP)
        pids = [forkserver.pid, *(way.worker.pid for way in ways)]
        await forkserver.__aexit__(None, None, None)
        assert not await dead(pids, 20 * stretch)


def test_let_go_as_it_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forkserver that has ended just when it is to be killed has ended; uvloop would say that there is no such process."""
    monkeypatch.setattr(forkservers, "LEAVE_S", 0.0)

    async def let_go() -> None:
        forkserver = await Forkserver().__aenter__()
        os.kill(forkserver.pid, signal.SIGKILL)
        await forkserver._process.wait()
        await forkserver.__aexit__(None, None, None)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(let_go())


async def test_cancelled_letting_go(stretch: float) -> None:
    """Who stops waiting for the end of a forkserver that hangs leaves none behind."""
    forkserver = await Forkserver().__aenter__()
    os.kill(forkserver.pid, signal.SIGSTOP)
    closing = asyncio.ensure_future(forkserver.__aexit__(None, None, None))
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert not await dead([forkserver.pid], 20 * stretch)


SERVER = """
import asyncio, sys
from tests.workers.link.test_forkserver import Forkserver, Way
async def main():
    async with Forkserver() as forkserver, Way(forkserver, "passthrough") as one, Way(forkserver, "passthrough") as two:
        await one.worker.ready(10)
        await two.worker.ready(10)
        print(forkserver.pid, one.worker.pid, two.worker.pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.parametrize("stopped", [False, True])
async def test_server_killed(stopped: bool, stretch: float) -> None:
    """kill -9 of the server leaves no forkserver and no worker, not even one that hangs."""
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, stdout=subprocess.PIPE, cwd=ROOT)
    assert server.stdout is not None
    pids = [int(pid) for pid in (await asyncio.wait_for(server.stdout.readline(), 20 * stretch)).split()]
    assert len(pids) == 3
    if stopped:
        os.kill(pids[1], signal.SIGSTOP)
    server.kill()
    await server.wait()
    assert not await dead(pids, 20 * stretch)


async def test_only_its_own_descriptors(forkserver: Forkserver, stretch: float) -> None:
    """A worker holds its rings, bells and line, and nothing of another's."""
    async with Way(forkserver, "passthrough") as first, Way(forkserver, "passthrough") as second:
        for way in (first, second):
            await way.worker.ready(30 * stretch)
        held = [os.readlink(f"/proc/{second.worker.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{second.worker.pid}/fd") if int(fd) > 2]
        # a mapping keeps a descriptor of its own
        assert sorted(kind.split(":")[0] for kind in held) == [*["/memfd"] * 4, "anon_inode", "anon_inode", "socket"]
        assert len(psutil.Process(first.worker.pid).threads()) == 1


@pytest.mark.real_time
async def test_many_forks(forkserver: Forkserver, deepfilternet3_graph: Path, stretch: float) -> None:
    """Two hundred workers denoise to the same bytes, not counted those that got no processor, and the forkserver keeps nothing of them."""
    sent, options = packets(voice(0.2))[:4], {"graph": str(deepfilternet3_graph)}
    await forkserver.load("deepfilternet3", options)
    process = psutil.Process(forkserver.pid)
    heard = Counter[bytes]()

    async def once() -> None:
        async with Way(forkserver, "deepfilternet3", options) as way:
            await way.worker.ready(30 * stretch)
            for packet in sent:
                way.put(packet)
            await way.until(lambda: len(way.out) > 1 or way.noisy.skipped, 30 * stretch)
            if not way.noisy.skipped:  # as by a worker that got no processor for a while
                heard[way.out[1].payload] += 1
            way.worker.kill()

    for _ in range(5):
        await once()
    before = (process.num_fds(), process.memory_info().rss)
    for _ in range(120):
        if heard.total() >= 200:
            break
        await asyncio.gather(*(once() for _ in range(5)))
    assert len(heard) == 1 and heard.total() >= 200, heard.total()
    assert process.num_fds() <= before[0] + 1
    assert process.memory_info().rss < before[1] + 2_000_000
    assert not await dead([child.pid for child in process.children()], 20 * stretch)


async def test_late_worker_skips(forkserver: Forkserver, stretch: float) -> None:
    """A worker that was stopped goes on with the newest packet, and neither works off the old ones nor makes them up."""
    sent = packets(voice(2))
    async with Way(forkserver, "passthrough") as way:
        await way.worker.ready(30 * stretch)
        for packet in sent[:10]:
            way.put(packet)
        await way.whole(sent[:10], 30 * stretch)
        came, skipped = len(way.out), way.noisy.skipped
        os.kill(way.worker.pid, signal.SIGSTOP)
        for packet in sent[10:60]:
            way.put(packet)
        await asyncio.sleep(0.4)
        os.kill(way.worker.pid, signal.SIGCONT)
        await way.until(lambda: len(way.out) > came, 30 * stretch)
        assert [packet.number for packet in way.out[came:]] == [59]
        assert way.noisy.skipped - skipped == 49


@pytest.fixture
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that brings the denoisers of speech.py."""
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path)))


@pytest.mark.usefixtures("strangers")
async def test_no_numbers(stretch: float) -> None:
    """A model that gives no numbers ends its worker with that reason; what came before it has been heard."""
    async with Forkserver() as forkserver, Way(forkserver, "broken") as way:
        await way.worker.ready(30 * stretch)
        for packet in packets(voice(0.5)):
            way.put(packet)
        await asyncio.wait_for(way.ended.wait(), 20 * stretch)
        assert [message.reason for message in way.messages if isinstance(message, WorkerFailure)] == ["nan"]
        assert places(way.clean.take_all(way.clean_bell)) or way.out


@pytest.mark.usefixtures("strangers")
async def test_strangers(stretch: float) -> None:
    """A stranger's denoiser comes by the same door as ours, cannot take the name of ours, and harms the forkserver with no error."""
    async with Forkserver() as forkserver:
        for bad in ("raising", "lost"):
            with pytest.raises(WorkerFailed) as caught:
                await forkserver.load(bad, {})
            assert caught.value.reason == "load"
        await forkserver.load("passthrough", {})
        async with Way(forkserver, "slow") as way:
            assert (await way.worker.ready(30 * stretch)).latency == 1440
        assert forkserver.alive


@pytest.mark.usefixtures("strangers")
async def test_deadly(stretch: float) -> None:
    """A load that takes the whole forkserver along is an error for who asked, not a wait without end."""
    async with Forkserver() as forkserver:
        with pytest.raises(WorkerFailed) as caught:
            await asyncio.wait_for(forkserver.load("deadly", {}), 30 * stretch)
        assert caught.value.reason == "forkserver_gone"
        assert not forkserver.alive
