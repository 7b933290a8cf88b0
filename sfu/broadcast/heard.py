"""Records which variant `auto` listeners were sent, packet by packet, with the reason where it was not denoised."""

from collections.abc import Callable

from sfu.denoise.condition import TOO_SLOW
from sfu.denoise.states import DenoiseState
from sfu.denoise.supervisor import WorkerSupervisor
from workers.link.ring import Packet
from workers.recordings.spans import BYPASS, CLEAN, DENOISE_OFF, Treatment

_CLEAN, _OFF = Treatment(CLEAN), Treatment(DENOISE_OFF)
_WORKER_FAILED = "worker_failed"


class Heard:
    """Passes the packets of one broadcast's fan-out on to its recording. No I/O."""

    def __init__(self, worker: WorkerSupervisor, pass_on: Callable[[Packet, str, Treatment], None]) -> None:
        self._worker = worker
        self._pass_on = pass_on
        self._last = _OFF
        self._gap: str | None = None

    def returned(self) -> None:
        """The broadcaster is back from `parked`: mark the next packet as the first after a gap."""
        self._gap = "parked"

    def packet(self, packet: Packet, variant: str) -> None:
        """The fan-out has sent this packet to `auto` listeners. variant: `original` or `denoised`."""
        if variant == "denoised":
            why = _CLEAN
        else:
            why = self._bypassed() if self._worker.enabled else _OFF
        self._last = why
        if self._gap is not None:
            why, self._gap = why._replace(gap=self._gap), None
        self._pass_on(packet, variant, why)

    def _bypassed(self) -> Treatment:
        """Return why the original was sent. The first reason holds until a denoised packet comes: a worker that was too slow
        is restarted, and the first packets after any start have no denoised counterpart."""
        state, last = self._worker.state, self._last
        if state is DenoiseState.BYPASSED:
            return Treatment(BYPASS, self._worker.reason)
        if last.kind == BYPASS:
            return last
        if state is DenoiseState.ACTIVE:
            return Treatment(BYPASS, TOO_SLOW)
        return Treatment(BYPASS, _WORKER_FAILED if last.kind == CLEAN else None)
