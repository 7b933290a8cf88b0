"""Supervises the worker of one broadcast: starts it, restarts it, changes its denoiser, bypasses it and lets it go.

A worker that fails is started again; where it fails too often (`sfu.denoise.restart_policy`) the voice is `bypassed` with
`worker_failed` until the switch is toggled. A worker that nobody wants any more is let go after 30 s. Another denoiser is taken over
by the same worker where it can, otherwise by a second worker beside it; where that one fails three times, the first one stays.
A worker that is too slow (`sfu.denoise.overload_guard`) is no longer fed: `bypassed`, `too_slow`. A worker that the machine has no
capacity for (`sfu.denoise.capacity`) is not started: `bypassed`, `server_busy`. A heavier denoiser that there is no capacity for is not
changed to: the serving one stays, with `server_busy`. These three end by themselves.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from sfu.denoise.catalogue import Catalogue
from sfu.denoise.condition import SERVER_BUSY, TOO_SLOW, Condition
from sfu.denoise.handover import Handover, Tuning
from sfu.denoise.load_monitor import LoadMonitor
from sfu.denoise.overload_guard import COMPLEXITY, WORDS, Step
from sfu.denoise.restart_policy import RestartPolicy
from sfu.denoise.states import DenoiseEvent, DenoiseState
from sfu.denoise.worker_run import GetForkserver, WorkerRun
from sfu.errors import WorkerError
from sfu.tasks import cancel_and_wait, start_task
from workers.link.ring import Packet

logger = logging.getLogger(__name__)

LINGER_S = 30.0  # how long an unwanted worker is kept in case it is wanted again
BUSY_S = 2.0  # between two checks of the capacity


class WorkerSupervisor:
    """Owns the runs and the task that supervises them. `changed` is called after every change of what the status shows."""

    def __init__(
        self,
        label: str,
        get_forkserver: GetForkserver,
        catalogue: Catalogue,
        load_monitor: LoadMonitor,
        packet: Callable[[Packet], None],
        changed: Callable[[], None],
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.enabled = False
        self.wanted: str | None = None  # the requested denoiser; None: the default
        self.listened = False  # a listener chose `denoised`
        self.held_samples = 0  # the delay of the hold, to which a worker's delay is padded
        self._label = label
        self._get_forkserver = get_forkserver
        self._catalogue = catalogue
        self._load_monitor = load_monitor
        self._step = Step.NONE
        self._changed = changed
        self._clock_ns = clock_ns
        self._condition = Condition(load_monitor, changed)
        self._restart_policy = RestartPolicy()
        self._refused: str | None = None  # a denoiser that failed too often while another one serves
        self._unwanted_since_s: float | None = None
        self._something_changed = asyncio.Event()
        self._runs = Handover(self._run, packet, self._runs_changed, clock_ns)
        self.bypasses, self.run_events = self._condition.bypasses, self._runs.events  # counted there, read for /metrics
        self.tuning = Tuning(self._runs.tell)
        self._reported: WorkerRun | None = None  # the run that `changed` last told of
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "WorkerSupervisor":
        self._task = start_task(self._supervise(), name=f"worker of {self._label}")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        if self._task is not None:
            await cancel_and_wait(self._task)
            self._task = None
        await self._runs.close()
        self._load_monitor.release()

    # status

    @property
    def run(self) -> WorkerRun | None:
        """The run that serves."""
        return self._runs.serving

    @property
    def denoiser(self) -> str:
        """The denoiser that serves now, or would serve."""
        return self.run.denoiser if self.run is not None else self._wanted_denoiser

    @property
    def state(self) -> DenoiseState:
        """The state shown to the broadcaster: `off` while the switch is off, even if a worker serves a listener."""
        return self._condition.state if self.enabled else DenoiseState.OFF

    @property
    def reason(self) -> str | None:
        """What is wrong with the worker, or why another denoiser serves than the requested one; None: all is as requested."""
        return self._condition.reason or self._catalogue.chosen(self.wanted)[1]

    @property
    def active(self) -> bool:
        """A worker serves: denoised packets are worth waiting for."""
        return self._condition.state is DenoiseState.ACTIVE

    @property
    def concealed(self) -> int:
        """Packets that the workers have concealed."""
        stats = self.run.stats if self.run is not None else None
        return self._runs.concealed + (stats.concealed if stats else 0)

    # requests

    def request(self, enabled: bool | None = None, denoiser: str | None = None) -> None:
        """Turn the switch or choose another denoiser; either one forgets earlier failures and overload."""
        if enabled is None and denoiser is None:
            return
        if denoiser is not None:
            self.wanted = denoiser
        if enabled is not None:
            self.enabled = enabled
        self._restart_policy.forgive()
        self._condition.reason = self._refused = None
        self._load_monitor.forgive()
        if self._condition.state is DenoiseState.BYPASSED:
            self._move(DenoiseEvent.OFF)
        self._change_in_place()
        self.reconsider()

    def reconsider(self) -> None:
        """Compare request and worker again: a listener, or the available models, have changed."""
        self._something_changed.set()

    # packets

    def put(self, packet: Packet) -> None:
        """Pass one packet to the worker, unless it is bypassed."""
        if self._condition.state is not DenoiseState.BYPASSED:
            self._runs.put(packet)

    def check(self, now_ns: int, standstill_end_ns: int = 0) -> None:
        """Called by the broadcast's ticker, ten times a second. standstill_end_ns: the end of the last standstill of this process."""
        self._runs.check(now_ns, standstill_end_ns)
        step = self._load_monitor.look(self.run, now_ns)
        if step is not self._step:
            self._step = step
            logger.warning("%s: %s", self._label, WORDS[step])
            self.tuning.set_complexity(COMPLEXITY[step])
        if step is Step.BYPASS and self._condition.state is DenoiseState.ACTIVE:
            self._condition.reason = TOO_SLOW
            self._move(DenoiseEvent.TOO_SLOW)
        elif step is not Step.BYPASS and self._condition.state is DenoiseState.BYPASSED and self._condition.reason == TOO_SLOW:
            self._condition.reason = SERVER_BUSY  # until the capacity has been checked
            self.reconsider()

    # supervision

    @property
    def _needed(self) -> bool:
        return self.enabled or self.listened

    @property
    def _wanted_denoiser(self) -> str:
        """The denoiser that can serve the request."""
        return self._catalogue.chosen(self.wanted)[0]

    def _run(self, denoiser: str, packet: Callable[[Packet], None]) -> WorkerRun:
        return WorkerRun(self._get_forkserver, denoiser, self._catalogue.options(denoiser), packet, self.held_samples)

    async def _supervise(self) -> None:
        while True:
            self._something_changed.clear()
            wait_s = await self._step_once()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):  # wait_for of Python 3.11 loses a cancellation that comes together with the event
                    await self._something_changed.wait()

    async def _step_once(self) -> float | None:
        """Do what is due now. Returns the seconds after which to look again even if nothing changes; None: not before a change."""
        for error in await self._runs.settle():
            self._failed(error)
        self._follow_runs()
        if not self._needed:
            return await self._linger()
        self._unwanted_since_s = None
        if self._condition.state is DenoiseState.BYPASSED:
            if self._condition.reason != SERVER_BUSY:
                return None
            if not self._load_monitor.admits(self._wanted_denoiser):
                return BUSY_S
            self._condition.reason = None
            self._move(DenoiseEvent.WANTED if self.run is None else DenoiseEvent.READY)
        if self._condition.state is DenoiseState.OFF:
            self._move(DenoiseEvent.WANTED)
        return await self._pursue()

    async def _linger(self) -> float | None:
        """Nobody wants the worker: keep it for LINGER_S, then close it. Returns as `_step_once`."""
        now_s = self._clock_ns() / 1e9
        if self._unwanted_since_s is None:
            self._unwanted_since_s = now_s
        left_s = self._unwanted_since_s + LINGER_S - now_s
        if self.run is not None and left_s > 0:
            return left_s
        await self._runs.close()
        self._follow_runs()
        self._condition.reason = None
        if self._condition.state is not DenoiseState.OFF:
            self._move(DenoiseEvent.OFF)
        return None

    async def _pursue(self) -> float | None:
        """Start or change a worker where the wanted denoiser neither serves nor starts. Returns as `_step_once`."""
        wanted = self._wanted_denoiser
        if self._refused is None:
            self._report_busy(wanted)
        if self._runs.coming not in (None, wanted):
            await self._runs.give_up_coming()
        if self._condition.state is DenoiseState.STARTING and self.run is not None:
            self._move(DenoiseEvent.READY)
        if self._change_in_place() or wanted in (self._refused, self._runs.coming):
            return None
        if self._condition.reason == SERVER_BUSY:
            return BUSY_S
        wait_s = self._restart_policy.wait_s(self._clock_ns() / 1e9)
        if wait_s > 0:
            return wait_s
        if self.run is None and not self._load_monitor.admits(wanted):
            logger.warning("%s: the machine has no capacity for one more voice with %s", self._label, wanted)
            self._condition.reason = SERVER_BUSY
            self._move(DenoiseEvent.BUSY)
            return BUSY_S
        self._load_monitor.reserve(wanted)
        self._runs.begin(wanted)
        return None

    def _report_busy(self, wanted: str) -> None:
        """Set the reason: none, or that the serving denoiser stays because there is no capacity for the wanted one."""
        run, before = self.run, self._condition.reason
        waits = run is not None and wanted not in (run.denoiser, self._runs.coming) and not self._load_monitor.admits(wanted)
        self._condition.reason = SERVER_BUSY if waits else None
        if SERVER_BUSY in (before, self._condition.reason) and before != self._condition.reason:
            self._changed()

    def _change_in_place(self) -> bool:
        """Change the serving worker to the wanted denoiser at once. Returns False where it cannot."""
        wanted, run = self._wanted_denoiser, self.run
        if run is None or (run.denoiser != wanted and (wanted not in run.takes or not self._load_monitor.admits(wanted))):
            return False
        if run.denoiser != wanted:
            logger.info("%s: worker %s changes from %s to %s", self._label, run.pid, run.denoiser, wanted)
            run.change(wanted, self._catalogue.delay_samples(wanted))
            self._condition.reserve(wanted)
            self._changed()
        return True

    def _runs_changed(self) -> None:
        self._follow_runs()
        self._something_changed.set()

    def _follow_runs(self) -> None:
        """Report a run that has begun or ceased to serve."""
        run = self.run if self.run is not None and not self.run.ended.done() else None
        if run is self._reported:
            return
        before, self._reported = self._reported, run
        if run is not None:
            logger.info("%s: worker %s denoises with %s", self._label, run.pid, run.denoiser)
        if self._condition.state is DenoiseState.STARTING and run is not None:
            self._move(DenoiseEvent.READY)
        elif self._condition.state is DenoiseState.ACTIVE and run is None and before is not None:
            self._move(DenoiseEvent.DIED)  # at once, so that the fan-out does not wait for denoised packets while the run is being closed
        else:
            self._changed()

    def _failed(self, error: WorkerError) -> None:
        often = self._restart_policy.failed(self._clock_ns() / 1e9)
        self._condition.reason = error.reason
        if often and self.run is not None:
            self._refused = self._wanted_denoiser
        logger.warning("%s: %s (%s)", self._label, error, self._consequence(often))
        if self.run is None and self._condition.state not in (DenoiseState.OFF, DenoiseState.BYPASSED):
            self._move(DenoiseEvent.GAVE_UP if often else DenoiseEvent.DIED)

    def _consequence(self, often: bool) -> str:
        if not often:
            return "another is started"
        return "given up until toggled" if self.run is None else f"{self.run.denoiser} serves on"

    def _move(self, event: DenoiseEvent) -> None:
        self._condition.move(event, self.run.denoiser if self.run is not None else None)
