"""What a broadcast keeps over every change of peer and every restart of the server: its start, title and mute."""

import time
from collections.abc import Callable
from datetime import datetime

from sfu.broadcast.services import PublishOptions
from sfu.broadcast.snapshots import BroadcastSnapshot
from sfu.denoise.supervisor import WorkerSupervisor
from sfu.elapsed import Moment, moved, place_now
from sfu.ingest.timeline import RATE_HZ


class BroadcastProperties:
    """One per broadcast, from its first offer on. `since`: None before it is live."""

    def __init__(self, identity: str, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        """identity: the broadcast's id."""
        self._identity = identity
        self._clock_ns = clock_ns
        self.title = ""
        self.muted = False
        self.record = True  # whether to record: as the first offer requested, or the broadcaster since
        self.origin = 0  # where on the time line the present recording begins, in samples
        self.since: datetime | None = None
        self._renamed = False  # the recording was retitled: no takeover changes the title
        self._began = Moment.now()
        self._live_at = 0.0  # monotonic seconds at which its time line is 0

    @property
    def duration_s(self) -> float:
        return self._clock_ns() / 1e9 - self._live_at if self._live_at else 0.0

    @property
    def tape(self) -> str:
        """The name under which the present recording is listed: the broadcast's id, for later ones with where they begin."""
        return f"{self._identity}.{self.origin}" if self.origin else self._identity

    def take(self, options: PublishOptions) -> None:
        """Take the title of an offer and, before it is live, whether to record."""
        if options.title and not self._renamed:
            self.title = options.title
        if self.since is None:
            self.record = options.record

    def begin(self) -> datetime:
        """The broadcast is live from now on. Returns the time."""
        self._began, self._live_at = Moment.now(), self._clock_ns() / 1e9
        self.since = self._began.at
        return self.since

    def rename(self, title: str) -> None:
        """The recording was given another title."""
        self.title, self._renamed = title, True

    def resume(self, snapshot: BroadcastSnapshot, held: int) -> int:
        """Continue from a snapshot. held: samples in the recording's files. Returns the present position on the time line, in samples."""
        self.title, self._renamed, self.muted = snapshot.title, snapshot.renamed, snapshot.muted
        self.record, self.origin, self.since = snapshot.record, snapshot.origin, snapshot.began.at
        now = Moment.now()
        place = place_now(snapshot.began, now, held)
        self._began, self._live_at = moved(snapshot.began, now, place), self._clock_ns() / 1e9 - place / RATE_HZ
        return place

    def snapshot(self, username: str, worker: WorkerSupervisor, media_session: str, grant: str) -> BroadcastSnapshot:
        """What the next run of the server has to know."""
        return BroadcastSnapshot(
            id=self._identity,
            username=username,
            title=self.title,
            renamed=self._renamed,
            began=self._began,
            muted=self.muted,
            record=self.record,
            denoise=worker.enabled,
            denoiser=worker.wanted,
            strength_db=worker.tuning.strength_db,
            media_session=media_session,
            grant=grant,
            tape=self.tape,
            origin=self.origin,
        )
