"""The wish for a denoised voice, and the worker that is kept for it: when it starts, dies, is tried again, or is given up.

Rules (design, "When things go wrong"): one that fails is started again, and where that is too often (`sfu.denoise.restart_policy`) it is
`bypassed`, `worker_failed`, until the switch is toggled; one that nobody wants any more is let go after 30 s. Another denoiser
is taken by the worker itself where it can, else by another worker beside it; where that one fails thrice, the first one stays.
A worker that is too slow (`sfu.denoise.overload_guard`) is no longer fed: `bypassed`, `too_slow`; one that the machine has no room for
(`sfu.denoise.capacity`) is not started: `bypassed`, `server_busy`; a heavier denoiser that there is no room for is not changed to: the
one that serves stays, `server_busy`. All three end by themselves.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from sfu.denoise.catalogue import Catalogue
from sfu.denoise.handover import Handover, Tuning
from sfu.denoise.load_monitor import LoadMonitor
from sfu.denoise.overload_guard import COMPLEXITY, WORDS, Step
from sfu.denoise.restart_policy import RestartPolicy
from sfu.denoise.states import DENOISE_NEXT, DenoiseEvent, DenoiseState
from sfu.denoise.worker_run import Nurse, WorkerRun
from sfu.errors import WorkerError
from sfu.tasks import ended, lasting
from workers.link.ring import Packet

logger = logging.getLogger(__name__)

LINGER_S = 30.0  # how long an unwanted worker waits for somebody to change their mind
BUSY_S = 2.0  # between two looks whether there is room now
TOO_SLOW, SERVER_BUSY = "too_slow", "server_busy"  # reasons


class WorkerSupervisor:
    """Owns the runs and the task that keeps one. `changed` is called after every change of what is told of it."""

    def __init__(
        self,
        label: str,
        nurse: Nurse,
        catalogue: Catalogue,
        watch: LoadMonitor,
        packet: Callable[[Packet], None],
        changed: Callable[[], None],
    ) -> None:
        self.enabled = False
        self.wanted: str | None = None  # the denoiser asked for; None: the default
        self.listened = False  # a listener asked for `denoised`
        self.held_samples = 0  # the delay in force, which a worker's is padded to
        self._label = label
        self._nurse = nurse
        self._catalogue = catalogue
        self._watch = watch
        self._step = Step.NONE
        self._changed = changed
        self._state = DenoiseState.OFF
        self._trouble: str | None = None  # with the worker: a reason
        self._retries = RestartPolicy()
        self._refused: str | None = None  # failed too often while another one serves
        self._unwanted_since: float | None = None
        self._news = asyncio.Event()
        self._runs = Handover(self._run, packet, self._runs_changed)
        self.tuning = Tuning(self._runs.tell)
        self._known: WorkerRun | None = None  # who served when it was last told
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "WorkerSupervisor":
        self._task = lasting(self._keep(), name=f"worker of {self._label}")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        if self._task is not None:
            await ended(self._task)
            self._task = None
        await self._runs.close()
        self._watch.give_room_back()

    # what is told

    @property
    def run(self) -> WorkerRun | None:
        """The run that serves."""
        return self._runs.serving

    @property
    def denoiser(self) -> str:
        """The name that serves now, or would serve."""
        return self.run.denoiser if self.run is not None else self._meant

    @property
    def state(self) -> DenoiseState:
        """What the broadcaster sees: `off` while the switch is off, whatever a listener has running."""
        return self._state if self.enabled else DenoiseState.OFF

    @property
    def reason(self) -> str | None:
        """What is wrong with the worker, or why another denoiser serves than the one asked for; None: all is as wished."""
        return self._trouble or self._catalogue.chosen(self.wanted)[1]

    @property
    def active(self) -> bool:
        """A worker is there and answers: denoised packets are worth waiting for."""
        return self._state is DenoiseState.ACTIVE

    @property
    def concealed(self) -> int:
        """Packets that the workers have made up."""
        stats = self.run.stats if self.run is not None else None
        return self._runs.concealed + (stats.concealed if stats else 0)

    # what is wished

    def wish(self, enabled: bool | None = None, denoiser: str | None = None) -> None:
        """Turn the switch or choose another denoiser; either forgives what failed or was too slow before."""
        if enabled is None and denoiser is None:
            return
        if denoiser is not None:
            self.wanted = denoiser
        if enabled is not None:
            self.enabled = enabled
        self._retries.forgive()
        self._trouble = self._refused = None
        self._watch.forgive()
        if self._state is DenoiseState.BYPASSED:
            self._move(DenoiseEvent.OFF)
        self._change_in_place()
        self.look()

    def look(self) -> None:
        """Something outside changed (a listener, the weights): compare wish and worker again."""
        self._news.set()

    # the sound

    def put(self, packet: Packet) -> None:
        """Hand the worker one packet, where there is one and it may keep up."""
        if self._state is not DenoiseState.BYPASSED:
            self._runs.put(packet)

    def check(self, now_ns: int, awake_ns: int = 0) -> None:
        """Called by the broadcast's ticker, ten times a second. awake_ns: the end of the last standstill."""
        self._runs.check(now_ns, awake_ns)
        step = self._watch.look(self.run, now_ns)
        if step is not self._step:
            self._step = step
            logger.warning("%s: %s", self._label, WORDS[step])
            self.tuning.set_complexity(COMPLEXITY[step])
        if step is Step.BYPASS and self._state is DenoiseState.ACTIVE:
            self._trouble = TOO_SLOW
            self._move(DenoiseEvent.TOO_SLOW)
        elif step is not Step.BYPASS and self._state is DenoiseState.BYPASSED and self._trouble == TOO_SLOW:
            self._trouble = SERVER_BUSY  # until it is known that there is room
            self.look()

    # below: keeping

    @property
    def _needed(self) -> bool:
        return self.enabled or self.listened

    @property
    def _meant(self) -> str:
        """The denoiser that the wish comes down to."""
        return self._catalogue.chosen(self.wanted)[0]

    def _run(self, denoiser: str, packet: Callable[[Packet], None]) -> WorkerRun:
        return WorkerRun(self._nurse, denoiser, self._catalogue.options(denoiser), packet, self.held_samples)

    async def _keep(self) -> None:
        while True:
            self._news.clear()
            patience_s = await self._turn()
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):  # wait_for of Python 3.11 would lose a cancellation to news of the same moment
                    await self._news.wait()

    async def _turn(self) -> float | None:
        """Do what is to be done now; seconds after which to look again though nothing happens."""
        for error in await self._runs.settle():
            self._failed(error)
        self._follow_runs()
        if not self._needed:
            return await self._linger()
        self._unwanted_since = None
        if self._state is DenoiseState.BYPASSED:
            if self._trouble != SERVER_BUSY:
                return None
            if not self._watch.admits(self._meant):
                return BUSY_S
            self._trouble = None
            self._move(DenoiseEvent.WANTED if self.run is None else DenoiseEvent.READY)
        if self._state is DenoiseState.OFF:
            self._move(DenoiseEvent.WANTED)
        return await self._pursue()

    async def _linger(self) -> float | None:
        """Nobody wants it: wait for somebody to change their mind."""
        now = time.monotonic()
        if self._unwanted_since is None:
            self._unwanted_since = now
        left_s = self._unwanted_since + LINGER_S - now
        if self.run is not None and left_s > 0:
            return left_s
        await self._runs.close()
        self._follow_runs()
        self._trouble = None
        if self._state is not DenoiseState.OFF:
            self._move(DenoiseEvent.OFF)
        return None

    async def _pursue(self) -> float | None:
        """See to it that the denoiser that is wanted serves, or will."""
        wanted = self._meant
        if self._refused is None:
            self._say_busy(wanted)
        if self._runs.coming not in (None, wanted):
            await self._runs.give_up_coming()
        if self._state is DenoiseState.STARTING and self.run is not None:
            self._move(DenoiseEvent.READY)
        if self._change_in_place() or wanted in (self._refused, self._runs.coming):
            return None
        if self._trouble == SERVER_BUSY:
            return BUSY_S
        wait_s = self._retries.wait_s(time.monotonic())
        if wait_s > 0:
            return wait_s
        if self.run is None and not self._watch.admits(wanted):
            logger.warning("%s: the machine has no room for one more voice with %s", self._label, wanted)
            self._trouble = SERVER_BUSY
            self._move(DenoiseEvent.BUSY)
            return BUSY_S
        self._watch.take_room(wanted)
        self._runs.begin(wanted)
        return None

    def _say_busy(self, wanted: str) -> None:
        """No trouble, or that the one that serves stays for want of room."""
        run, before = self.run, self._trouble
        waits = run is not None and wanted not in (run.denoiser, self._runs.coming) and not self._watch.admits(wanted)
        self._trouble = SERVER_BUSY if waits else None
        if SERVER_BUSY in (before, self._trouble) and before != self._trouble:
            self._changed()

    def _change_in_place(self) -> bool:
        """Have the worker that serves take the denoiser that is wanted, at once; False where it cannot."""
        wanted, run = self._meant, self.run
        if run is None or (run.denoiser != wanted and (wanted not in run.takes or not self._watch.admits(wanted))):
            return False
        if run.denoiser != wanted:
            logger.info("%s: worker %s goes over from %s to %s", self._label, run.pid, run.denoiser, wanted)
            run.change(wanted, self._catalogue.delay_samples(wanted))
            self._watch.take_room(wanted)
            self._changed()
        return True

    def _runs_changed(self) -> None:
        self._follow_runs()
        self._news.set()

    def _follow_runs(self) -> None:
        """Tell of a run that has begun or ceased to serve."""
        run = self.run if self.run is not None and not self.run.ended.done() else None
        if run is self._known:
            return
        before, self._known = self._known, run
        if run is not None:
            logger.info("%s: worker %s denoises with %s", self._label, run.pid, run.denoiser)
        if self._state is DenoiseState.STARTING and run is not None:
            self._move(DenoiseEvent.READY)
        elif self._state is DenoiseState.ACTIVE and run is None and before is not None:
            self._move(DenoiseEvent.DIED)  # at once: nothing denoised is to be waited for while it is being buried
        else:
            self._changed()

    def _failed(self, error: WorkerError) -> None:
        often = self._retries.failed(time.monotonic())
        self._trouble = error.reason
        if often and self.run is not None:
            self._refused = self._meant
        logger.warning("%s: %s (%s)", self._label, error, self._cure(often))
        if self.run is None and self._state not in (DenoiseState.OFF, DenoiseState.BYPASSED):
            self._move(DenoiseEvent.GAVE_UP if often else DenoiseEvent.DIED)

    def _cure(self, often: bool) -> str:
        if not often:
            return "another is started"
        return "given up until toggled" if self.run is None else f"{self.run.denoiser} serves on"

    def _move(self, event: DenoiseEvent) -> None:
        self._state = DENOISE_NEXT[self._state, event]
        if self._state in (DenoiseState.OFF, DenoiseState.BYPASSED):
            self._watch.give_room_back()
        elif self.run is not None:
            self._watch.take_room(self.run.denoiser)
        self._changed()
