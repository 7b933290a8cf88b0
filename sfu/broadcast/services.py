"""What the app passes to every broadcast: the services it is made from and the events it reports; and the options of offers."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sfu.broadcast.meters import MediaMeters
from sfu.broadcast.snapshots import NoSnapshots, SnapshotStore
from sfu.config.schema import BroadcastConfig, IngestConfig, RecordingConfig, StorageConfig, WorkerConfig
from sfu.denoise.capacity import Capacity
from sfu.denoise.catalogue import Catalogue
from sfu.denoise.worker_run import GetForkserver
from sfu.drop_counters import DropCounters
from sfu.fanout.fanout import ResendCounters
from sfu.recording.broadcast_recording import RecordingArchive
from sfu.standstill import StandstillDetector


@dataclass(frozen=True)
class PublishOptions:
    """What a broadcaster requested with the offer."""

    denoise: bool | None = None  # None: on for a new broadcast, unchanged for a takeover
    denoiser: str | None = None
    title: str = ""
    record: bool = True


@dataclass(frozen=True)
class SubscribeOptions:
    """What a listener requested with the offer, and as whom."""

    variant: str  # auto, denoised or original
    name: str  # what the broadcaster sees
    lasts_s: float | None = None  # how long it may listen; None: no limit


class Events(Protocol):
    """What a broadcast reports, at once and on the loop. Implementations must be cheap and must not raise."""

    def on_live(self, username: str, since: datetime) -> None: ...
    def on_ended(self, username: str, recording: int | None) -> None: ...
    def on_status(self, username: str) -> None: ...
    def on_level(self, username: str, original_dbfs: float, denoised_dbfs: float) -> None: ...  # nan: not known
    def on_packet_time(self, username: str, packet_ms: int) -> None: ...  # what this broadcaster shall use from now on
    def on_given_up(self, username: str) -> None: ...  # it goes on at another server; who listens here is served until they follow


class NoEvents:
    """Ignores all events."""

    def on_live(self, username: str, since: datetime) -> None: ...
    def on_ended(self, username: str, recording: int | None) -> None: ...
    def on_status(self, username: str) -> None: ...
    def on_level(self, username: str, original_dbfs: float, denoised_dbfs: float) -> None: ...
    def on_packet_time(self, username: str, packet_ms: int) -> None: ...
    def on_given_up(self, username: str) -> None: ...


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
    standstill: StandstillDetector = field(default_factory=StandstillDetector)
    drop_counters: DropCounters = field(default_factory=DropCounters)  # of packets that broadcasts drop
    resends: ResendCounters = field(default_factory=ResendCounters)
    meters: MediaMeters = field(default_factory=MediaMeters)
    events: Events = field(default_factory=NoEvents)  # set once the app can take them
    node: str = ""  # the name of this server among several
