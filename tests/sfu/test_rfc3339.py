"""How moments are written."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from sfu.rfc3339 import rfc3339


@pytest.mark.parametrize("hours", [0, 2, -5.5, 14])
def test_every_time_zone_is_written_in_utc(hours: float) -> None:
    """One moment has one text, whichever time zone it comes in: UTC with milliseconds, which are cut, and Z."""
    moment = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert rfc3339(moment.astimezone(timezone(timedelta(hours=hours)))) == "2026-01-31T23:59:59.999Z"


def test_whole_seconds_have_milliseconds_too() -> None:
    """All texts have one length, so that they sort as the moments do."""
    assert rfc3339(datetime(2026, 1, 31, tzinfo=UTC)) == "2026-01-31T00:00:00.000Z"


def test_no_moment_is_none() -> None:
    """What has not happened has no text."""
    assert rfc3339(None) is None
