"""The condition of one voice's denoising: its state, what is wrong with it, and the capacity reserved for it."""

from collections import Counter
from collections.abc import Callable

from sfu.denoise.load_monitor import LoadMonitor
from sfu.denoise.states import DENOISE_NEXT, DenoiseEvent, DenoiseState
from sfu.errors import WorkerError

TOO_SLOW, SERVER_BUSY = "too_slow", "server_busy"  # reasons
REASONS = (WorkerError.reason, TOO_SLOW, SERVER_BUSY)  # why a voice is bypassed


class Condition:
    """Capacity is reserved only while a worker starts or serves. `changed` is called after every change of the state."""

    def __init__(self, load_monitor: LoadMonitor, changed: Callable[[], None]) -> None:
        self.state = DenoiseState.OFF
        self.reason: str | None = None  # what is wrong with the worker
        self.bypasses: Counter[str] = Counter()  # how often the voice was bypassed, by reason
        self._load_monitor = load_monitor
        self._changed = changed

    def move(self, event: DenoiseEvent, serving: str | None) -> None:
        """serving: the denoiser of the run that serves, None without a run. Raises KeyError where the event cannot happen now."""
        self.state = DENOISE_NEXT[self.state, event]
        if self.state is DenoiseState.BYPASSED and self.reason is not None:
            self.bypasses[self.reason] += 1
        if self._idle:
            self._load_monitor.release()
        elif serving is not None:
            self._load_monitor.reserve(serving)
        self._changed()

    def reserve(self, denoiser: str) -> None:
        """Reserve capacity, unless the voice is off or bypassed: nothing would release it then."""
        if not self._idle:
            self._load_monitor.reserve(denoiser)

    @property
    def _idle(self) -> bool:
        return self.state in (DenoiseState.OFF, DenoiseState.BYPASSED)
