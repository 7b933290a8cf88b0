"""What a broadcaster may change while on air: mute, recording, title, denoiser and strength."""

from collections.abc import Callable

from sfu.broadcast.auto_variant import AutoVariant
from sfu.broadcast.properties import BroadcastProperties
from sfu.broadcast.recorded import Recorded
from sfu.denoise.catalogue import Catalogue, check_known
from sfu.denoise.supervisor import WorkerSupervisor
from sfu.ingest.ingest import Ingest


class BroadcasterControls:
    """One per broadcast, whose parts it changes. Each call takes effect at once, and is stored and shown by `changed`."""

    def __init__(
        self,
        properties: BroadcastProperties,
        ingest: Ingest,
        recorded: Recorded,
        worker: WorkerSupervisor,
        auto_variant: AutoVariant,
        catalogue: Catalogue,
        changed: Callable[[], None],
    ) -> None:
        """changed: called after each change."""
        self._properties = properties
        self._ingest = ingest
        self._recorded = recorded
        self._worker = worker
        self._auto_variant = auto_variant
        self._catalogue = catalogue
        self._changed = changed

    def mute(self, muted: bool) -> None:
        """Mute this and every later source: ingest replaces their sound by silence until called with False."""
        self._properties.muted = muted
        self._ingest.mute(muted)
        self._changed()

    def record(self, on: bool) -> None:
        """Turn recording off or on; the broadcast goes on."""
        self._recorded.switch(on)
        self._changed()

    def retitle(self, title: str) -> None:
        """The recording was given another title: listeners see it at once, and no takeover changes it."""
        self._properties.rename(title)
        self._changed()

    def switch(self, enabled: bool | None, denoiser: str | None) -> None:
        """The switch and the choice of denoiser; None leaves each as it is. Raises UnknownDenoiser."""
        check_known(self._catalogue, denoiser)
        self._worker.request(enabled, denoiser)
        self._auto_variant.follow()
        self._changed()

    def strengthen(self, strength_db: float | None) -> None:
        """Limit the attenuation, 0 to 100 dB; None: no limit."""
        self._worker.tuning.limit_attenuation(strength_db)
        self._changed()
