"""What the app hands to every broadcast: what it is made from, whom it tells; and what its broadcaster wishes."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sfu.broadcast.survival import Forgetful, Memory
from sfu.config import schema as config
from sfu.denoise.capacity import Capacity
from sfu.denoise.catalogue import Catalogue
from sfu.denoise.worker_run import Nurse
from sfu.drop_counters import Ledger
from sfu.recording.broadcast_recording import Archive
from sfu.standstill import Awake


@dataclass(frozen=True)
class Wish:
    """What a broadcaster asked for with the offer."""

    denoise: bool | None = None  # None: on for a new broadcast, as it is for one that is taken over
    denoiser: str | None = None
    title: str = ""
    record: bool = True


class News(Protocol):
    """What the app wants to hear, at once and on the loop. Must be cheap and must not raise."""

    def on_live(self, username: str, since: datetime) -> None: ...
    def on_ended(self, username: str, recording: int | None) -> None: ...
    def on_status(self, username: str) -> None: ...
    def on_level(self, username: str, original_dbfs: float, denoised_dbfs: float) -> None: ...  # nan: not known
    def on_brevity(self, username: str, packet_ms: int) -> None: ...  # how long this broadcaster's packets shall be from now on
    def cue(self, username: str, at_s: float, kind: str, text: str) -> None: ...


class Silence:
    """News that nobody hears."""

    def on_live(self, username: str, since: datetime) -> None: ...
    def on_ended(self, username: str, recording: int | None) -> None: ...
    def on_status(self, username: str) -> None: ...
    def on_level(self, username: str, original_dbfs: float, denoised_dbfs: float) -> None: ...
    def on_brevity(self, username: str, packet_ms: int) -> None: ...
    def cue(self, username: str, at_s: float, kind: str, text: str) -> None: ...


@dataclass
class Parts:
    """What every broadcast is made from; handed down by the app, owned by nobody here."""

    config: config.Config
    nurse: Nurse
    catalogue: Catalogue
    archive: Archive
    memory: Memory = field(default_factory=Forgetful)
    capacity: Capacity = field(default_factory=Capacity)
    awake: Awake = field(default_factory=Awake)
    ledger: Ledger = field(default_factory=Ledger)  # where it is counted what they drop
    news: News = field(default_factory=Silence)  # set once there is somebody to hear it
