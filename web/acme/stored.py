"""Which authority has given the stored certificate: a line before its key, where PEM may have text (RFC 7468 §5.2)."""

from pathlib import Path

from sfu.config.schema import HttpConfig
from web.http.tls import issued_file

MARK = b"Given by "
LONGEST = 4096  # of the line


def mark_of(http: HttpConfig) -> bytes:
    """The line before a certificate that this authority has given."""
    return MARK + http.acme_url.encode() + b"\n"


def giver_of(http: HttpConfig, storage: Path) -> str:
    """The URL of the authority that has given the stored certificate; `http.acme_url` where there is none, or it does not say. Blocks."""
    try:
        with issued_file(storage).open("rb") as file:
            line = file.readline(LONGEST)
    except OSError:
        return http.acme_url
    return line.removeprefix(MARK).strip().decode(errors="replace") if line.startswith(MARK) else http.acme_url
