"""The worker that is kept: real processes, real packets at their pace, and denoisers with vices."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import pytest

from sfu.denoise import restart_policy, supervisor
from sfu.denoise.capacity import Capacity
from sfu.denoise.forkserver_keeper import ForkserverKeeper
from sfu.denoise.load_monitor import LoadMonitor
from sfu.denoise.overload_guard import Step
from sfu.denoise.states import DenoiseState
from sfu.denoise.supervisor import WorkerSupervisor
from tests.support.strangers import install
from tests.workers.speech import packets, voice
from workers.link.ring import Packet


class Shelf:
    """A catalogue of whatever is asked for."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._options = options

    def names(self) -> list[str]:
        return []

    def chosen(self, wanted: str | None) -> tuple[str, str | None]:
        return wanted or "passthrough", None

    def options(self, name: str) -> Mapping[str, object]:
        return self._options

    def delay_samples(self, name: str) -> int:
        return 960


class Voice:
    """A kept worker and somebody who talks into it. Owns both."""

    def __init__(self, keeper: ForkserverKeeper, shelf: Shelf, capacity: Capacity, scale: float) -> None:
        self.out: list[Packet] = []
        self.states: list[tuple[DenoiseState, str | None]] = []
        self._changed = asyncio.Event()
        watch = LoadMonitor(capacity, 1000, scale)  # a machine that is late now and then is not what is looked at
        self.worker = WorkerSupervisor("a test", keeper.forkserver, shelf, watch, self.out.append, self._note)

    async def __aenter__(self) -> "Voice":
        await self.worker.__aenter__()
        self._talking = asyncio.create_task(self._talk())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._talking.cancel()
        await asyncio.gather(self._talking, return_exceptions=True)
        await self.worker.__aexit__(None, None, None)

    async def _talk(self) -> None:
        sent, begin = packets(voice(1)), time.monotonic()
        for number in count():
            await asyncio.sleep(max(0.0, begin + number * 0.02 - time.monotonic()))
            packet = sent[number % len(sent)]
            self.worker.put(packet._replace(number=number, time=number * 960, arrival_ns=time.monotonic_ns()))
            if number % 5 == 0:
                self.worker.check(time.monotonic_ns())

    def _note(self) -> None:
        self.states.append((self.worker.state, self.worker.reason))
        self._changed.set()

    async def until(self, state: DenoiseState, timeout_s: float, **wanted: object) -> None:
        async with asyncio.timeout(timeout_s):
            while self.worker.state is not state or any(getattr(self.worker, name) != value for name, value in wanted.items()):
                self._changed.clear()
                await self._changed.wait()

    async def heard(self, timeout_s: float) -> None:
        """Wait until something more comes back."""
        before = len(self.out)
        async with asyncio.timeout(timeout_s):
            while len(self.out) == before:
                await asyncio.sleep(0.01)


@pytest.fixture
async def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ForkserverKeeper]:
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path)))
    async with ForkserverKeeper() as started:
        yield started


@pytest.mark.real_time
async def test_too_slow_and_well_again(keeper: ForkserverKeeper, tmp_path: Path, stretch: float) -> None:
    """A model that takes longer than its sound lasts is bypassed, and back when it has been quiet; all in a fifth of the real times."""
    slow = tmp_path / "slow"
    slow.unlink(missing_ok=True)
    async with Voice(keeper, Shelf({"slow_while": str(slow)}), Capacity(2.0), scale=0.2) as ada:
        ada.worker.request(True, "sluggish")
        await ada.until(DenoiseState.ACTIVE, 30 * stretch)
        await ada.heard(20 * stretch)
        slow.touch()
        await ada.until(DenoiseState.BYPASSED, 30 * stretch, reason="too_slow", active=False)
        run = ada.worker.run
        slow.unlink()
        await ada.until(DenoiseState.ACTIVE, 60 * stretch, reason=None)
        assert ada.worker.run is run  # it only rested
        await ada.heard(20 * stretch)


@pytest.mark.real_time
async def test_a_switch_forgives(keeper: ForkserverKeeper, tmp_path: Path, stretch: float) -> None:
    """Whoever toggles the switch or chooses another denoiser is not made to wait."""
    slow = tmp_path / "slow"
    slow.touch()
    async with Voice(keeper, Shelf({"slow_while": str(slow)}), Capacity(2.0), scale=0.2) as ada:
        ada.worker.request(True, "sluggish")
        await ada.until(DenoiseState.BYPASSED, 15 * stretch, reason="too_slow")
        ada.worker.request(denoiser="passthrough")
        await ada.until(DenoiseState.ACTIVE, 30 * stretch, denoiser="passthrough")
        await ada.heard(20 * stretch)


@pytest.mark.real_time
async def test_deaths_now_and_then(keeper: ForkserverKeeper, monkeypatch: pytest.MonkeyPatch, stretch: float) -> None:
    """A worker whose deaths lie far apart is not given up, but the third and each further one is made good only after a while."""
    monkeypatch.setattr(restart_policy, "WINDOW_S", 0.0)  # none of these is within it
    monkeypatch.setattr(restart_policy, "BACK_OFF_S", 0.3)
    async with Voice(keeper, Shelf({}), Capacity(2.0), scale=1) as ada:
        ada.worker.request(True)
        for times in range(5):
            await ada.until(DenoiseState.ACTIVE, 30 * stretch)
            await ada.heard(20 * stretch)
            run = ada.worker.run
            assert run is not None
            begin = time.monotonic()
            run._worker.kill()
            await ada.until(DenoiseState.STARTING, 30 * stretch)
            await ada.until(DenoiseState.ACTIVE, 30 * stretch, reason=None)
            assert times < 2 or time.monotonic() - begin >= 0.3
        assert DenoiseState.BYPASSED not in [state for state, _ in ada.states]


async def test_what_is_off_has_no_trouble(keeper: ForkserverKeeper, stretch: float) -> None:
    """The reason of a bypass goes with the bypass: whoever turns the switch off is not told of it any more."""
    async with Voice(keeper, Shelf({}), Capacity(2.0), scale=1) as ada:
        ada.worker.request(True, "raising")
        await ada.until(DenoiseState.BYPASSED, 30 * stretch, reason="worker_failed")
        ada.worker.request(False)
        assert (ada.worker.state, ada.worker.reason) == (DenoiseState.OFF, None)


async def test_a_bypassed_voice_that_is_switched_off_takes_no_room(
    keeper: ForkserverKeeper, monkeypatch: pytest.MonkeyPatch, stretch: float
) -> None:
    """Also where another denoiser is chosen in the same moment, which its worker takes at once."""
    monkeypatch.setattr(supervisor, "LINGER_S", 0.2)
    capacity = Capacity(2.0)
    async with Voice(keeper, Shelf({}), capacity, scale=1) as ada:
        ada.worker.request(True)
        await ada.until(DenoiseState.ACTIVE, 30 * stretch)
        run = ada.worker.run
        assert run is not None and ada.worker._load_monitor in capacity._voices
        run.takes = ("passthrough", "another")
        with monkeypatch.context() as slow:
            slow.setattr(LoadMonitor, "look", lambda *_: Step.BYPASS)
            await ada.until(DenoiseState.BYPASSED, 30 * stretch, reason="too_slow")
            assert not capacity._voices
            ada.worker.request(False, "another")
            assert not capacity._voices and run.denoiser == "another"
        async with asyncio.timeout(30 * stretch):
            while ada.worker.run is not None:
                await asyncio.sleep(0.02)
        assert not capacity._voices and ada.worker.state is DenoiseState.OFF
        ada.worker.request(True, "passthrough")
        await ada.until(DenoiseState.ACTIVE, 30 * stretch)
        assert ada.worker._load_monitor in capacity._voices


async def test_no_room(keeper: ForkserverKeeper, stretch: float) -> None:
    """Where the machine is full, one more voice is bypassed and says so, until another leaves."""
    capacity = Capacity(0.1)
    async with Voice(keeper, Shelf({}), capacity, scale=1) as ada, Voice(keeper, Shelf({}), capacity, scale=1) as ben:
        ada.worker.request(True)
        await ada.until(DenoiseState.ACTIVE, 30 * stretch)
        capacity.measured("passthrough", 0.09, 100)
        ben.worker.request(True)
        await ben.until(DenoiseState.BYPASSED, 30 * stretch, reason="server_busy")
        assert ada.worker.active and ben.worker.run is None
        await ada.worker.__aexit__(None, None, None)
        await ben.until(DenoiseState.ACTIVE, 30 * stretch, reason=None)


async def test_no_room_for_a_heavier_one(keeper: ForkserverKeeper, stretch: float) -> None:
    """Where the machine is full a heavier denoiser is not changed to: the one that serves stays and says so, until there is room."""
    capacity = Capacity(0.3)
    async with Voice(keeper, Shelf({}), capacity, scale=1) as ada, Voice(keeper, Shelf({}), capacity, scale=1) as ben:
        for each in (ada, ben):
            each.worker.request(True)
            await each.until(DenoiseState.ACTIVE, 30 * stretch)
        capacity.measured("slow", 0.5, 100)
        ada.worker.request(denoiser="slow")
        await ada.until(DenoiseState.ACTIVE, 30 * stretch, denoiser="passthrough", reason="server_busy")
        await ada.heard(20 * stretch)
        await ben.worker.__aexit__(None, None, None)
        await ada.until(DenoiseState.ACTIVE, 30 * stretch, denoiser="slow", reason=None)


async def test_the_old_one_stays_where_the_new_one_fails(keeper: ForkserverKeeper, stretch: float) -> None:
    """A denoiser that cannot be loaded does not cost the one that serves; the reason stays until another is chosen."""
    async with Voice(keeper, Shelf({}), Capacity(2.0), scale=1) as ada:
        ada.worker.request(True)
        await ada.until(DenoiseState.ACTIVE, 30 * stretch)
        run = ada.worker.run
        ada.worker.request(denoiser="raising")
        async with asyncio.timeout(30 * stretch):
            while ada.worker.reason is None:
                await asyncio.sleep(0.02)
        await ada.heard(20 * stretch)
        assert (ada.worker.run, ada.worker.denoiser, ada.worker.state) == (run, "passthrough", DenoiseState.ACTIVE)
        ada.worker.request(denoiser="slow")
        await ada.until(DenoiseState.ACTIVE, 30 * stretch, denoiser="slow", reason=None)


async def test_the_coming_one_steps_in_early(keeper: ForkserverKeeper, stretch: float) -> None:
    """Where the one that serves dies while another is primed, that one serves at once."""
    async with AsyncExitStack() as opened:
        ada = await opened.enter_async_context(Voice(keeper, Shelf({}), Capacity(2.0), scale=1))
        ada.worker.request(True)
        await ada.until(DenoiseState.ACTIVE, 30 * stretch)
        first = ada.worker.run
        assert first is not None
        ada.worker.request(denoiser="slow")
        async with asyncio.timeout(30 * stretch):
            while ada.worker._runs._coming is None and ada.worker.run is first:
                await asyncio.sleep(0)
        first._worker.kill()
        await ada.until(DenoiseState.ACTIVE, 30 * stretch, denoiser="slow")
        await ada.heard(20 * stretch)


async def test_a_deadly_denoiser_is_found_out(keeper: ForkserverKeeper, stretch: float) -> None:
    """Who chooses a denoiser that kills the forkserver harms the others twice at most; then it is refused, and all go on."""
    async with Voice(keeper, Shelf({}), Capacity(2.0), scale=1) as ada, Voice(keeper, Shelf({}), Capacity(2.0), scale=1) as ben:
        ada.worker.request(True)
        await ada.until(DenoiseState.ACTIVE, 30 * stretch)
        ben.worker.request(True, "deadly")
        await ben.until(DenoiseState.BYPASSED, 20 * stretch, reason="worker_failed")
        await ada.until(DenoiseState.ACTIVE, 20 * stretch, denoiser="passthrough")
        forkserver = await keeper.forkserver()
        ben.worker.request(True)
        await ben.until(DenoiseState.BYPASSED, 20 * stretch, reason="worker_failed")
        assert await keeper.forkserver() is forkserver and forkserver.alive
        await ada.heard(20 * stretch)


@pytest.mark.parametrize("turns", range(4))
async def test_closed_as_there_is_news(keeper: ForkserverKeeper, turns: int, stretch: float) -> None:
    """It closes also where something happens just then, while an unwanted worker waits for somebody to change their mind."""
    async with Voice(keeper, Shelf({}), Capacity(2.0), scale=1) as ada:
        ada.worker.request(True)
        await ada.until(DenoiseState.ACTIVE, 30 * stretch)
        ada.worker.request(False)
        for _ in range(10):
            await asyncio.sleep(0)
        ada.worker.reconsider()
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(30 * stretch):
            await ada.worker.__aexit__(None, None, None)
