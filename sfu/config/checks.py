"""The bounds of each setting, and the rules between two. A check raises ValueError; its text ends a sentence that begins with the key."""

import ipaddress
import math
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from sfu.config.errors import ConfigError
from sfu.config.schema import Config, HttpConfig
from workers.chunks import CHUNK_S, OVERLAP_S

SECRET_CHARACTERS = 32
MOST_SENTINELS = 9
MOST_NAMES = 100  # of one certificate, at Let's Encrypt
NAME = re.compile(r"(?=.{4,253}$)([^\W_]([\w-]{0,61}[^\W_])?\.)+[^\W_]([\w-]{0,61}[^\W_])?")  # also with letters that are not ASCII
Check = Callable[[Any], None]
# RFC 7064 and 7065. One malformed address makes a browser refuse the whole RTCConfiguration.
_PLACE = r"([\w.-]+|\[[\da-fA-F:.]+\])(:\d{1,5})?"
ICE_SERVER = re.compile(rf"stuns?:{_PLACE}|turns?:{_PLACE}(\?transport=(udp|tcp))?", re.ASCII)


def within(low: float, high: float) -> Check:
    """low <= value <= high; NaN fails."""

    def check(value: float) -> None:
        if not low <= value <= high:
            raise ValueError(f"{value} is not in {low:g}-{high:g}" if math.isfinite(high) else f"{value} is less than {low:g}")

    return check


def one_of(*words: str) -> Check:
    def check(value: str) -> None:
        if value not in words:
            raise ValueError(f"{value!r} is none of {', '.join(words)}")

    return check


def not_empty(value: object) -> None:
    if not value or (isinstance(value, tuple) and not all(value)):
        raise ValueError("has to be given")


def _redis_url(value: str) -> None:
    """What is secret in it is not repeated."""
    parts = urlsplit(value)
    wrong = parts.scheme not in ("redis", "rediss") or not parts.hostname or parts.port == 0 or parts.fragment
    if value and (wrong or not re.fullmatch(r"/?\d{0,3}", parts.path)):
        raise ValueError("is not like redis://:PASSWORD@redis.example.org:6379/0, or rediss:// for TLS")


def _sentinels(value: tuple[str, ...]) -> None:
    for url in value:
        parts = urlsplit(url)
        if parts.scheme not in ("redis", "rediss") or not parts.hostname or parts.port == 0 or parts.path.strip("/") or parts.fragment:
            raise ValueError("an entry is not like redis://10.0.0.1:26379, redis://:PASSWORD@10.0.0.1:26379, or rediss:// for TLS")
    if len(value) > MOST_SENTINELS:
        raise ValueError(f"has {len(value)} entries; {MOST_SENTINELS} are enough")


def _node_name(value: str) -> None:
    if value and not re.fullmatch(r"[a-z0-9-]{1,32}", value):
        raise ValueError(f"{value!r} is not 1 to 32 of a-z, 0-9 and -")


def _node_url(value: str) -> None:
    try:
        _public_url(value)
    except ValueError:
        raise ValueError(f"{value!r} is not like http://10.0.0.1:8080, where the other servers reach this one") from None


def _node_secret(value: str) -> None:
    if value and len(value) < SECRET_CHARACTERS:
        raise ValueError(f"has {len(value)} characters, and needs at least {SECRET_CHARACTERS}")


def _public_url(value: str) -> None:
    """Scheme, host and port, nothing more. `urlsplit` itself raises ValueError for a bad port or bracket."""
    parts = urlsplit(value)
    more = parts.path.strip("/") or parts.query or parts.fragment
    if value and (parts.scheme not in ("http", "https") or not parts.hostname or more):
        raise ValueError(f"{value!r} is not like https://voice.example.org")
    if parts.port == 0:
        raise ValueError(f"{value!r} has port 0")


def _database_url(value: str) -> None:
    """A URI of libpq. What is said does not contain it, for it may contain a password."""
    try:
        right = not value or (urlsplit(value).scheme in ("postgresql", "postgres") and value.isprintable() and " " not in value)
    except ValueError:
        right = False
    if not right:
        raise ValueError("not like postgresql://user:password@host:5432/name; leave it empty for SQLite in storage.path")


def _acme_names(value: tuple[str, ...]) -> None:
    if len(value) > MOST_NAMES:
        raise ValueError(f"{len(value)} names are more than the {MOST_NAMES} of one certificate")
    for name in value:
        if name.startswith("*."):
            raise ValueError(f"{name!r} is a wildcard, which needs a challenge in DNS that is not answered here; write out the names")
        if not NAME.fullmatch(name) or name.rpartition(".")[2].isdigit():
            raise ValueError(f"{name!r} is not a name in DNS like voice.example.org")


def _acme_url(value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or parts.port == 0:
        raise ValueError(f"{value!r} is not like https://acme-v02.api.letsencrypt.org/directory")


def _acme_email(value: str) -> None:
    if value and not re.fullmatch(r"[^\s@,?:]+@[^\s@,?:]+", value):
        raise ValueError(f"{value!r} is not like me@example.org")


def _s3_url(value: str) -> None:
    """What is said does not contain it, for it may contain a key."""
    try:
        right = not value or _is_s3(urlsplit(value))
    except ValueError:
        right = False
    if not right:
        raise ValueError("not like s3://bucket/prefix?endpoint=https://s3.example.org&region=us-east-1")


def _is_s3(parts: SplitResult) -> bool:
    given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    options = dict(given)
    endpoint = urlsplit(options.get("endpoint", "https://given.by.region"))
    fits = parts.scheme == "s3" and bool(parts.hostname) and parts.port is None and not parts.fragment
    named = len(options) == len(given) and options.keys() <= {"endpoint", "region"} and all(options.values())
    whole = endpoint.scheme in ("http", "https") and bool(endpoint.hostname) and endpoint.port != 0 and not endpoint.query
    whole = whole and "@" not in endpoint.netloc  # a key there would be shown with the endpoint
    return fits and named and whole and bool(parts.username) == bool(parts.password)


def _models_url(value: str) -> None:
    """`upstream`, an HTTP URL, or a folder as an absolute path or file URL."""
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
    ("http", "host"): not_empty,
    ("http", "port"): PORT,
    ("http", "tls"): one_of("auto", "off", "self-signed", "files", "acme"),
    ("http", "names"): _acme_names,
    ("http", "acme_url"): _acme_url,
    ("http", "acme_email"): _acme_email,
    ("http", "acme_port"): PORT,
    ("http", "public_url"): _public_url,
    ("http", "trusted_proxies"): _networks,
    ("rtc", "host"): not_empty,
    ("rtc", "port"): PORT,
    ("rtc", "ice_servers"): _ice_servers,
    ("storage", "floor_mb"): within(0, math.inf),
    ("storage", "s3_url"): _s3_url,
    ("database", "url"): _database_url,
    ("redis", "url"): _redis_url,
    ("redis", "sentinels"): _sentinels,
    ("node", "name"): _node_name,
    ("node", "url"): _node_url,
    ("node", "secret"): _node_secret,
    ("node", "leave_s"): within(0, 3600),
    ("models", "url"): _models_url,
    ("denoise", "default"): not_empty,
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
    ("log", "format"): one_of("text", "json"),
    ("log", "level"): one_of("debug", "info", "warning", "error"),
}


def check_together(config: Config) -> None:
    """The rules between two keys. Raises ConfigError."""
    if config.http.tls == "files" and not (config.http.cert and config.http.key):
        raise ConfigError('http.tls = "files" needs http.cert and http.key')
    if config.http.tls == "acme":
        _check_names(config.http)
    if config.denoise.overlap_s >= config.denoise.chunk_s:
        raise ConfigError(f"denoise.overlap_s: {config.denoise.overlap_s} is not shorter than denoise.chunk_s, {config.denoise.chunk_s}")
    _check_nodes(config)


def _check_names(http: HttpConfig) -> None:
    public = urlsplit(http.public_url)
    if not http.names and not public.hostname:
        raise ConfigError('http.tls = "acme" needs http.names: those that browsers call this server by')
    if public.scheme == "http":
        raise ConfigError(f'http.tls = "acme" serves https, and http.public_url is {http.public_url}')
    if http.names and public.hostname and public.hostname not in {name.lower() for name in http.names}:
        raise ConfigError(f"http.names has no {public.hostname}, which http.public_url names")
    try:
        _acme_names((public.hostname,) if not http.names and public.hostname else ())
    except ValueError as error:
        raise ConfigError(f"http.public_url: {error}") from error


def _check_nodes(config: Config) -> None:
    """One server may have Redis with SQLite, to try it; several need all that they share."""
    if config.redis.sentinels and not config.redis.url:
        raise ConfigError("redis.sentinels: redis.url says what they call the Redis that they watch, like redis://hushcast/0")
    if config.node.url and not config.redis.url:
        raise ConfigError("node.url: several servers need redis.url")
    if config.node.url and not config.database.url:
        raise ConfigError("node.url: several servers need one database.url, PostgreSQL; SQLite with redis.url is for a single one")
    if config.node.url and not config.node.secret:
        raise ConfigError("node.url: several servers need node.secret, the same for all")
