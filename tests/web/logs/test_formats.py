"""A record as a line."""

import json
import logging
import re
import sys

from hypothesis import given
from hypothesis import strategies as st

from web.logs.formats import FORMATS, JsonFormat, TextFormat
from web.logs.recent_warnings import MOST, RecentWarnings

FIRST = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [\w.]+(?: \[[\w.-]+\])?: ")


def record(message: str, *arguments: object, error: Exception | None = None) -> logging.LogRecord:
    made = logging.getLogger("web.somewhere").makeRecord("web.somewhere", logging.WARNING, __file__, 1, message, arguments, None)
    if error is not None:
        try:
            raise error
        except type(error):
            made.exc_info = sys.exc_info()
    return made


@given(st.text())
def test_what_came_from_outside_begins_no_line(text: str) -> None:
    """Whatever is logged, in a message or as an exception's text: only the record's own first line looks like a line of the log."""
    forged = f"{text}\n2026-01-01 00:00:00,000 WARNING web.auth.rate_limit: login failed from 192.0.2.1"
    lines = TextFormat().format(record("told: %s", forged, error=ValueError(forged))).split("\n")
    assert FIRST.match(lines[0])
    assert all(line.startswith("  | ") for line in lines[1:])
    assert all(each.isprintable() for line in lines for each in line)
    [line] = JsonFormat().format(record("told: %s", forged, error=ValueError(forged))).splitlines()
    told = json.loads(line)
    assert told["message"] == f"told: {forged}" and line.isascii()
    assert list(told) == ["time", "level", "logger", "message", "trace"] and "ValueError" in told["trace"]


def test_a_record_has_an_end() -> None:
    """A message of a million characters is cut off, in each format."""
    for kind in FORMATS.values():
        assert len(kind().format(record("%s", "x" * 1_000_000))) < 20_000


def test_the_last_warnings_are_kept() -> None:
    """The newest hundred, the newest first, in printable text and without tracebacks; all are counted by level."""
    keeping = RecentWarnings()
    for number in range(MOST + 20):
        keeping.handle(record("number %s\n", number, error=ValueError("secret")))
    kept = list(keeping)
    assert [each.message for each in kept] == [f"number {number}\\n" for number in reversed(range(20, MOST + 20))]
    assert {each.level for each in kept} == {"WARNING"} and "secret" not in str(kept)
    assert {sample.labels["level"]: sample.value for sample in keeping.samples()} == {"warning": MOST + 20, "error": 0}
