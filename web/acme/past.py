"""What has happened with a certificate by ACME, as a file beside it, so that a restart does not begin to count anew."""

import hashlib
from pathlib import Path

import msgspec

from sfu.config.schema import HttpConfig
from web.http.tls import certified_names, issued_file, write_private


class AcmePast(msgspec.Struct, frozen=True, kw_only=True):
    """failures: in a row; refused: those of them where the authority said no; refusals: when it did in the last hour, Unix times;
    not_before: its own earliest time; failure, failed_at: the last one, "" after a success; asked: a digest of what was asked for.
    """

    asked: str = ""
    failures: int = 0
    refused: int = 0
    refusals: tuple[float, ...] = ()
    not_before: float = 0
    failure: str = ""
    failed_at: float = 0


def past_of(http: HttpConfig, storage: Path) -> AcmePast:
    """What is stored; nothing where it cannot be read, or where something else is asked for now. Blocks: not for the loop."""
    asked = _digest(http)
    try:
        past = msgspec.json.decode(_file(storage).read_bytes(), type=AcmePast)
    except (OSError, msgspec.DecodeError):
        past = AcmePast()
    return past if past.asked == asked else AcmePast(asked=asked, refusals=past.refusals)


def store_past(past: AcmePast, storage: Path) -> None:
    """Blocks: not for the loop. Raises OSError."""
    write_private(_file(storage), msgspec.json.encode(past))


def _file(storage: Path) -> Path:
    return issued_file(storage).with_name("past.json")


def _digest(http: HttpConfig) -> str:
    return hashlib.sha256(repr((certified_names(http), http.acme_url, http.acme_port)).encode()).hexdigest()[:16]
