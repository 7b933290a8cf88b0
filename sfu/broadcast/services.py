"""What the app passes to every broadcast: the services it is made from and the events it reports; and the options of an offer."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sfu.broadcast.snapshots import NoSnapshots, SnapshotStore
from sfu.config.schema import BroadcastConfig, IngestConfig, RecordingConfig, StorageConfig, WorkerConfig
from sfu.denoise.capacity import Capacity
from sfu.denoise.catalogue import Catalogue
from sfu.denoise.worker_run import GetForkserver
from sfu.drop_counters import DropCounters
from sfu.recording.broadcast_recording import RecordingArchive
from sfu.standstill import Awake


@dataclass(frozen=True)
class PublishOptions:
    """What a broadcaster requested with the offer."""

    denoise: bool | None = None  # None: on for a new broadcast, unchanged for a takeover
    denoiser: str | None = None
    title: str = ""
    record: bool = True


class Events(Protocol):
    """What a broadcast reports, at once and on the loop. Implementations must be cheap and must not raise."""

    def on_live(self, username: str, since: datetime) -> None: ...
    def on_ended(self, username: str, recording: int | None) -> None: ...
    def on_status(self, username: str) -> None: ...
    def on_level(self, username: str, original_dbfs: float, denoised_dbfs: float) -> None: ...  # nan: not known
    def on_packet_time(self, username: str, packet_ms: int) -> None: ...  # what this broadcaster shall use from now on


class NoEvents:
    """Ignores all events."""

    def on_live(self, username: str, since: datetime) -> None: ...
    def on_ended(self, username: str, recording: int | None) -> None: ...
    def on_status(self, username: str) -> None: ...
    def on_level(self, username: str, original_dbfs: float, denoised_dbfs: float) -> None: ...
    def on_packet_time(self, username: str, packet_ms: int) -> None: ...


@dataclass
class Services:
    """What every broadcast is made from. The app owns all of it. The settings are those that a broadcast and its parts use."""

    ingest: IngestConfig
    worker: WorkerConfig
    storage: StorageConfig
    recording: RecordingConfig
    broadcast: BroadcastConfig
    get_forkserver: GetForkserver
    catalogue: Catalogue
    archive: RecordingArchive
    snapshots: SnapshotStore = field(default_factory=NoSnapshots)
    capacity: Capacity = field(default_factory=Capacity)
    awake: Awake = field(default_factory=Awake)
    drop_counters: DropCounters = field(default_factory=DropCounters)  # of packets that broadcasts drop
    events: Events = field(default_factory=NoEvents)  # set once the app can take them
