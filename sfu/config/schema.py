"""Every setting, as frozen dataclasses: one branch a part, each part gets its own branch and never the tree.

`config.toml` holds the same keys with unit and reason; a test keeps the two equal. Source of names and defaults: the
table "The script" of the interface description.
"""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Http:
    host: str = "0.0.0.0"
    port: int = 8080
    tls: str = "auto"
    cert: Path | None = None
    key: Path | None = None
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rtc:
    host: tuple[str, ...] = ("0.0.0.0",)
    port: int = 8081
    announce: tuple[str, ...] = ()
    ice_servers: tuple[str, ...] = ()
    turn_secret: str = ""


@dataclass(frozen=True)
class Storage:
    path: Path = Path("var")
    floor_mb: int = 200


@dataclass(frozen=True)
class Database:
    url: str = ""


@dataclass(frozen=True)
class Redis:
    url: str = ""


@dataclass(frozen=True)
class Models:
    path: tuple[Path, ...] = (Path("models"),)
    url: str = "upstream"
    download: bool = True


@dataclass(frozen=True)
class Denoise:
    default: str = "auto"
    device: str = "auto"
    post_filter: bool = False
    chunk_s: float = 2.0
    overlap_s: float = 0.5


@dataclass(frozen=True)
class Worker:
    share: int = 1
    max_delay_ms: int = 60


@dataclass(frozen=True)
class Ingest:
    reorder_ms: int = 40


@dataclass(frozen=True)
class Broadcast:
    grace_s: float = 15.0
    places: int = 1000


@dataclass(frozen=True)
class Recording:
    enabled: bool = True
    wav: bool = True
    keep_days: int = 0
    quota_mb: int = 0
    trash_days: int = 7


@dataclass(frozen=True)
class Accounts:
    registration: str = "open"


@dataclass(frozen=True)
class Config:
    http: Http = field(default_factory=Http)
    rtc: Rtc = field(default_factory=Rtc)
    storage: Storage = field(default_factory=Storage)
    database: Database = field(default_factory=Database)
    redis: Redis = field(default_factory=Redis)
    models: Models = field(default_factory=Models)
    denoise: Denoise = field(default_factory=Denoise)
    worker: Worker = field(default_factory=Worker)
    ingest: Ingest = field(default_factory=Ingest)
    broadcast: Broadcast = field(default_factory=Broadcast)
    recording: Recording = field(default_factory=Recording)
    accounts: Accounts = field(default_factory=Accounts)
