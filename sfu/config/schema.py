"""Every setting with its default, as frozen dataclasses, one for each section. A part gets its own section, never the whole tree.

`config.toml` has the same keys with unit and reason; a test keeps the two equal.
"""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class HttpConfig:
    host: str = "0.0.0.0"
    port: int = 8080
    tls: str = "auto"
    cert: Path | None = None
    key: Path | None = None
    names: tuple[str, ...] = ()
    acme_url: str = "https://acme-v02.api.letsencrypt.org/directory"
    acme_email: str = ""
    acme_port: int = 80
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()
    modules: bool = False


@dataclass(frozen=True)
class RtcConfig:
    host: tuple[str, ...] = ("0.0.0.0",)
    port: int = 8081
    announce: tuple[str, ...] = ()
    ice_servers: tuple[str, ...] = ()
    turn_secret: str = ""


@dataclass(frozen=True)
class StorageConfig:
    path: Path = Path("var")
    floor_mb: int = 200
    s3_url: str = field(default="", repr=False)  # it may contain a key


@dataclass(frozen=True)
class DatabaseConfig:
    url: str = field(default="", repr=False)  # it may contain a password


@dataclass(frozen=True)
class RedisConfig:
    url: str = ""
    sentinels: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodeConfig:
    name: str = ""
    url: str = ""
    secret: str = ""
    leave_s: float = 30.0


@dataclass(frozen=True)
class ModelsConfig:
    path: tuple[Path, ...] = (Path("models"),)
    url: str = "upstream"
    download: bool = True


@dataclass(frozen=True)
class DenoiseConfig:
    default: str = "auto"
    device: str = "auto"
    post_filter: bool = False
    chunk_s: float = 2.0
    overlap_s: float = 0.5


@dataclass(frozen=True)
class WorkerConfig:
    share: int = 1
    max_delay_ms: int = 60


@dataclass(frozen=True)
class IngestConfig:
    reorder_ms: int = 40


@dataclass(frozen=True)
class BroadcastConfig:
    grace_s: float = 15.0
    places: int = 1000


@dataclass(frozen=True)
class RecordingConfig:
    enabled: bool = True
    wav: bool = True
    keep_days: int = 0
    quota_mb: int = 0
    trash_days: int = 7


@dataclass(frozen=True)
class AccountsConfig:
    registration: str = "open"


@dataclass(frozen=True)
class LogConfig:
    format: str = "text"
    level: str = "info"


@dataclass(frozen=True)
class Config:
    http: HttpConfig = field(default_factory=HttpConfig)
    rtc: RtcConfig = field(default_factory=RtcConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    database: DatabaseConfig = field(default_factory=DatabaseConfig)
    redis: RedisConfig = field(default_factory=RedisConfig)
    node: NodeConfig = field(default_factory=NodeConfig)
    models: ModelsConfig = field(default_factory=ModelsConfig)
    denoise: DenoiseConfig = field(default_factory=DenoiseConfig)
    worker: WorkerConfig = field(default_factory=WorkerConfig)
    ingest: IngestConfig = field(default_factory=IngestConfig)
    broadcast: BroadcastConfig = field(default_factory=BroadcastConfig)
    recording: RecordingConfig = field(default_factory=RecordingConfig)
    accounts: AccountsConfig = field(default_factory=AccountsConfig)
    log: LogConfig = field(default_factory=LogConfig)
