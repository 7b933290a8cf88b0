"""What `auto` listeners really were sent, packet by packet, with the reason where it was not cleaned."""

from collections.abc import Callable

from sfu.denoise.states import DenoiseState
from sfu.denoise.supervisor import TOO_SLOW, WorkerSupervisor
from workers.link.ring import Packet
from workers.recordings.spans import BYPASS, CLEAN, DENOISE_OFF, Why

_CLEAN, _OFF = Why(CLEAN), Why(DENOISE_OFF)
_WORKER_FAILED = "worker_failed"


class Heard:
    """Stands between one broadcast's fan-out and its recording. No I/O."""

    def __init__(self, worker: WorkerSupervisor, pass_on: Callable[[Packet, str, Why], None]) -> None:
        self._worker = worker
        self._pass_on = pass_on
        self._last = _OFF
        self._gap: str | None = None

    def returned(self) -> None:
        """The broadcaster was away and is back: the next packet is the first since then."""
        self._gap = "parked"

    def packet(self, packet: Packet, variant: str) -> None:
        """The fan-out let this one go to `auto` listeners; variant: `original` or `denoised`."""
        if variant == "denoised":
            why = _CLEAN
        else:
            why = self._bypassed() if self._worker.enabled else _OFF
        self._last = why
        if self._gap is not None:
            why, self._gap = why._replace(gap=self._gap), None
        self._pass_on(packet, variant, why)

    def _bypassed(self) -> Why:
        """Why it is the original. As long as nothing clean comes between, what began it stands: a worker that was too slow
        is started anew, and the first packets after any start have no twin."""
        state, last = self._worker.state, self._last
        if state is DenoiseState.BYPASSED:
            return Why(BYPASS, self._worker.reason)
        if last.kind == BYPASS:
            return last
        if state is DenoiseState.ACTIVE:
            return Why(BYPASS, TOO_SLOW)
        return Why(BYPASS, _WORKER_FAILED if last.kind == CLEAN else None)
