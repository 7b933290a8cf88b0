"""A log record as a line of text or of JSON. What came from outside cannot begin a line or look like one."""

import json
import logging
from datetime import UTC, datetime

from web.logs.request_ids import request_id

MOST = 16_000  # characters of one record; the rest is cut off
TRACE = "  | "  # begins each further line of a record: those of a traceback, which may quote anything


def printable(text: str) -> str:
    """Line breaks, control characters, and those that change the direction of writing, as escapes."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class TextFormat(logging.Formatter):
    """`TIME LEVEL LOGGER [REQUEST]: MESSAGE`, without the brackets outside of a request."""

    def format(self, record: logging.LogRecord) -> str:
        request = request_id()
        where = f"{record.name} [{request}]" if request else record.name
        first = f"{self.formatTime(record)} {record.levelname} {where}: {printable(record.getMessage())}"
        further = [TRACE + printable(line) for line in trace_of(self, record).splitlines()]
        return "\n".join([first[:MOST], *further])[: 2 * MOST]


class JsonFormat(logging.Formatter):
    """One object: time (RFC 3339, UTC), level, logger, request where there is one, message, trace where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        told = {"time": at, "level": record.levelname, "logger": record.name}
        if request := request_id():
            told["request"] = request
        told["message"] = record.getMessage()[:MOST]
        if trace := trace_of(self, record):
            told["trace"] = trace[:MOST]
        return json.dumps(told)


def trace_of(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """The traceback of a record, if it has one."""
    if record.exc_info and record.exc_info[0] is not None:
        return formatter.formatException(record.exc_info)
    return ""


FORMATS: dict[str, type[logging.Formatter]] = {"text": TextFormat, "json": JsonFormat}
