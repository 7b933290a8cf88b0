"""Moments as text (RFC 3339), as the interface shows them in answers, messages and lists."""

from datetime import UTC, datetime
from typing import overload


@overload
def rfc3339(moment: datetime) -> str: ...
@overload
def rfc3339(moment: None) -> None: ...
def rfc3339(moment: datetime | None) -> str | None:
    """Return a moment of any time zone in UTC, with milliseconds and Z: "2026-01-31T12:00:00.000Z". None stays None."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
