"""What each setting may be. A check raises ValueError with the end of a sentence that begins with the key."""

import ipaddress
import math
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from sfu.config.schema import Config
from sfu.errors import ConfigError
from workers.chunks import CHUNK_S, OVERLAP_S

Check = Callable[[Any], None]
# RFC 7064 and 7065. No browser connects to anything where one address is not of this form.
_PLACE = r"([\w.-]+|\[[\da-fA-F:.]+\])(:\d{1,5})?"
ICE_SERVER = re.compile(rf"stuns?:{_PLACE}|turns?:{_PLACE}(\?transport=(udp|tcp))?", re.ASCII)


def within(low: float, high: float) -> Check:
    """A number from low to high, both included; infinity and nan are outside."""

    def check(value: float) -> None:
        if not low <= value <= high:
            raise ValueError(f"{value} is not in {low:g}-{high:g}" if math.isfinite(high) else f"{value} is less than {low:g}")

    return check


def one_of(*words: str) -> Check:
    def check(value: str) -> None:
        if value not in words:
            raise ValueError(f"{value!r} is none of {', '.join(words)}")

    return check


def filled(value: object) -> None:
    if not value or (isinstance(value, tuple) and not all(value)):
        raise ValueError("has to be given")


def not_yet(instead: str) -> Check:
    def check(value: str) -> None:
        if value:
            raise ValueError(f"not supported yet; leave it empty for {instead}")

    return check


def _public_url(value: str) -> None:
    """`urlsplit` itself raises ValueError for a bad port or bracket."""
    parts = urlsplit(value)
    beyond = parts.path.strip("/") or parts.query or parts.fragment
    if value and (parts.scheme not in ("http", "https") or not parts.hostname or beyond):
        raise ValueError(f"{value!r} is not like https://voice.example.org")
    if parts.port == 0:
        raise ValueError(f"{value!r} has port 0")


def _models_url(value: str) -> None:
    """A folder is an absolute path, or a file address with one."""
    parts = urlsplit(value)
    address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    folder = value.startswith("/") or (parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"))
    if not (value == "upstream" or address or folder):
        raise ValueError(f"{value!r} is neither upstream nor like https://mirror.example.org/models or /srv/models")


def _networks(value: tuple[str, ...]) -> None:
    for network in value:
        ipaddress.ip_network(network, strict=False)


def _ice_servers(value: tuple[str, ...]) -> None:
    for url in value:
        if not ICE_SERVER.fullmatch(url):
            raise ValueError(f"{url!r} is not like stun:stun.example.org or turn:turn.example.org:3478 (stuns:, turns:)")


PORT = within(0, 65535)

CHECKS: dict[tuple[str, str], Check] = {
    ("http", "host"): filled,
    ("http", "port"): PORT,
    ("http", "tls"): one_of("auto", "off", "self-signed", "files"),
    ("http", "public_url"): _public_url,
    ("http", "trusted_proxies"): _networks,
    ("rtc", "host"): filled,
    ("rtc", "port"): PORT,
    ("rtc", "ice_servers"): _ice_servers,
    ("storage", "floor_mb"): within(0, math.inf),
    ("database", "url"): not_yet("SQLite in storage.path"),
    ("redis", "url"): not_yet("everything in one process"),
    ("models", "url"): _models_url,
    ("denoise", "default"): filled,
    ("denoise", "device"): one_of("auto", "cpu", "cuda"),
    ("denoise", "chunk_s"): within(*CHUNK_S),
    ("denoise", "overlap_s"): within(*OVERLAP_S),
    ("worker", "share"): within(1, 64),
    ("worker", "max_delay_ms"): within(10, 1000),
    ("ingest", "reorder_ms"): within(0, 1000),
    ("broadcast", "grace_s"): within(0, 3600),
    ("broadcast", "places"): within(1, 10_000),
    ("recording", "keep_days"): within(0, math.inf),
    ("recording", "quota_mb"): within(0, math.inf),
    ("recording", "trash_days"): within(0, 36_500),
    ("accounts", "registration"): one_of("open", "invite", "closed"),
}


def check_together(config: Config) -> None:
    """The rules that concern two keys. Raises ConfigError."""
    if config.http.tls == "files" and not (config.http.cert and config.http.key):
        raise ConfigError('http.tls = "files" needs http.cert and http.key')
    if config.denoise.overlap_s >= config.denoise.chunk_s:
        raise ConfigError(f"denoise.overlap_s: {config.denoise.overlap_s} is not shorter than denoise.chunk_s, {config.denoise.chunk_s}")
