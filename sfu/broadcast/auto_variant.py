"""Keeps the fan-out in step with the worker: how long originals are held, and which variant `auto` listeners get."""

from sfu.denoise.catalogue import Catalogue
from sfu.denoise.states import DenoiseState
from sfu.denoise.supervisor import WorkerSupervisor
from sfu.fanout.fanout import Fanout


class AutoVariant:
    """One per broadcast. Owns neither the worker nor the fan-out."""

    def __init__(self, worker: WorkerSupervisor, fanout: Fanout, catalogue: Catalogue) -> None:
        self._worker = worker
        self._fanout = fanout
        self._catalogue = catalogue

    def prepare(self) -> None:
        """Hold originals for the delay of the denoiser that serves, or would serve."""
        self._lengthen_hold(self._catalogue.delay_samples(self._worker.denoiser))

    def worker_changed(self) -> None:
        """Another worker serves, or none."""
        if self._worker.run is not None:
            self._lengthen_hold(self._worker.run.delay_samples)
        self.follow()

    def follow(self) -> None:
        """Tell the fan-out which variant `auto` is, and whether denoised packets are worth waiting for."""
        denoised = self._worker.enabled and self._worker.state is not DenoiseState.BYPASSED
        self._fanout.follow(denoised, self._worker.active)

    def _lengthen_hold(self, samples: int) -> None:
        """The hold is fixed by the first packet; a heavier denoiser that takes over later can only make it longer."""
        self._fanout.hold(samples)
        self._worker.held_samples = self._fanout.held_samples
