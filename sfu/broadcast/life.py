"""What stays the same in a broadcast whatever becomes of its peers and of the server: its beginning, its title, its mute."""

import time
from datetime import datetime

from sfu.broadcast.services import PublishOptions
from sfu.broadcast.survival import Left
from sfu.denoise.supervisor import WorkerSupervisor
from sfu.elapsed import Moment, moved, place_now
from sfu.ingest.timeline import RATE_HZ


class Life:
    """One broadcast's, from its first offer on. `since`: None before it is live."""

    def __init__(self) -> None:
        self.title = ""
        self.muted = False
        self.record = True  # it is to be, as the first offer had it
        self.since: datetime | None = None
        self._renamed = False  # the title was given to the recording: no takeover changes it
        self._began = Moment.now()
        self._live_at = 0.0  # monotonic: where its time line is 0

    @property
    def duration_s(self) -> float:
        return time.monotonic() - self._live_at if self._live_at else 0.0

    def take(self, wish: PublishOptions) -> None:
        """An offer says what it is called, and before it is live whether it is recorded."""
        if wish.title and not self._renamed:
            self.title = wish.title
        if self.since is None:
            self.record = wish.record

    def begin(self) -> datetime:
        """It is live from now on."""
        self._began, self._live_at = Moment.now(), time.monotonic()
        self.since = self._began.at
        return self.since

    def rename(self, title: str) -> None:
        """Its recording was given another title."""
        self.title, self._renamed = title, True

    def go_on(self, left: Left, held: int) -> int:
        """As the last run of the server left it. held: samples in the files. Returns where its time line is now, in samples."""
        self.title, self._renamed, self.muted, self.record, self.since = left.title, left.renamed, left.muted, left.record, left.began.at
        now = Moment.now()
        place = place_now(left.began, now, held)
        self._began, self._live_at = moved(left.began, now, place), time.monotonic() - place / RATE_HZ
        return place

    def left(self, identity: str, username: str, worker: WorkerSupervisor, resource: str, grant: str) -> Left:
        """As the next run has to know it."""
        return Left(
            id=identity,
            username=username,
            title=self.title,
            renamed=self._renamed,
            began=self._began,
            muted=self.muted,
            record=self.record,
            denoise=worker.enabled,
            denoiser=worker.wanted,
            strength_db=worker.tuning.strength_db,
            resource=resource,
            grant=grant,
        )
