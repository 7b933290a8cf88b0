"""What a voice's workers are set to, kept for each that comes after the one that serves."""

from collections.abc import Callable
from dataclasses import replace

from workers.link.control import Adjust

NO_LIMIT_DB = 100.0


class Tuning:
    """One voice's settings. tell: called with all of them after each change."""

    def __init__(self, tell: Callable[[Adjust], None]) -> None:
        self._tell = tell
        self._settings = Adjust(strength_db=NO_LIMIT_DB)
        self.strength_db: float | None = None  # as it was asked for

    def strengthen(self, strength_db: float | None) -> None:
        """Limit the attenuation in dB; None: no limit. Heard within 100 ms."""
        self.strength_db = strength_db
        self._set(replace(self._settings, strength_db=NO_LIMIT_DB if strength_db is None else strength_db))

    def foresee(self, loss_percent: int) -> None:
        """What the listeners of the denoised voice lose, 0 to 100: above 0 its packets carry FEC."""
        self._set(replace(self._settings, loss_percent=loss_percent))

    def take_care(self, complexity: int) -> None:
        """How much the Opus encoder tries, 0 to 10."""
        self._set(replace(self._settings, complexity=complexity))

    def _set(self, settings: Adjust) -> None:
        if settings != self._settings:
            self._settings = settings
            self._tell(settings)
