"""What the app hands to every broadcast: what it is made from, whom it tells; and what its broadcaster wishes."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sfu.broadcast.survival import Forgetful, Memory
from sfu.config import schema as config
from sfu.denoise.capacity import Capacity
from sfu.denoise.catalogue import Catalogue
from sfu.denoise.worker_run import GetForkserver
from sfu.drop_counters import DropCounters
from sfu.recording.broadcast_recording import RecordingArchive
from sfu.standstill import Awake


@dataclass(frozen=True)
class PublishOptions:
    """What a broadcaster asked for with the offer."""

    denoise: bool | None = None  # None: on for a new broadcast, as it is for one that is taken over
    denoiser: str | None = None
    title: str = ""
    record: bool = True


class Events(Protocol):
    """What the app wants to hear, at once and on the loop. Must be cheap and must not raise."""

    def on_live(self, username: str, since: datetime) -> None: ...
    def on_ended(self, username: str, recording: int | None) -> None: ...
    def on_status(self, username: str) -> None: ...
    def on_level(self, username: str, original_dbfs: float, denoised_dbfs: float) -> None: ...  # nan: not known
    def on_brevity(self, username: str, packet_ms: int) -> None: ...  # how long this broadcaster's packets shall be from now on
    def cue(self, username: str, at_s: float, kind: str, text: str) -> None: ...


class NoEvents:
    """News that nobody hears."""

    def on_live(self, username: str, since: datetime) -> None: ...
    def on_ended(self, username: str, recording: int | None) -> None: ...
    def on_status(self, username: str) -> None: ...
    def on_level(self, username: str, original_dbfs: float, denoised_dbfs: float) -> None: ...
    def on_brevity(self, username: str, packet_ms: int) -> None: ...
    def cue(self, username: str, at_s: float, kind: str, text: str) -> None: ...


@dataclass
class Services:
    """What every broadcast is made from; handed down by the app, owned by nobody here."""

    config: config.Config
    get_forkserver: GetForkserver
    catalogue: Catalogue
    archive: RecordingArchive
    memory: Memory = field(default_factory=Forgetful)
    capacity: Capacity = field(default_factory=Capacity)
    awake: Awake = field(default_factory=Awake)
    ledger: DropCounters = field(default_factory=DropCounters)  # where it is counted what they drop
    news: Events = field(default_factory=NoEvents)  # set once there is somebody to hear it
