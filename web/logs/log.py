"""The log of the process."""

import logging
import os
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from sfu.config.schema import LogConfig
from web.http.metrics import Sample
from web.logs.formats import FORMATS
from web.logs.writer import LogWriter

OURS = ("db", "sfu", "web", "workers", "hushcast")
STANDARD_ERROR = 2


class Log:
    """Writes to standard error from entering to leaving, as text and from INFO on until `configure` says otherwise.

    `log.level` is for our own parts. Libraries never say more than INFO: at DEBUG some of them write SDP and keys.
    """

    def __init__(self, descriptor: int = STANDARD_ERROR) -> None:
        self._descriptor = descriptor
        self._writer: LogWriter | None = None

    def __enter__(self) -> Self:
        self._writer = LogWriter(self._descriptor)
        logging.getLogger().addHandler(self._writer)
        self.configure(LogConfig())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._writer is not None:
            logging.getLogger().removeHandler(self._writer)
            self._writer.close()

    def configure(self, settings: LogConfig) -> None:
        """From now on as the settings say."""
        assert self._writer is not None, "not entered"
        self._writer.setFormatter(FORMATS[settings.format]())
        level = logging.getLevelNamesMapping()[settings.level.upper()]
        logging.getLogger().setLevel(max(level, logging.INFO))
        for name in OURS:
            logging.getLogger(name).setLevel(level)

    def samples(self) -> Iterator[Sample]:
        """For /metrics."""
        dropped = 0 if self._writer is None else self._writer.dropped
        yield Sample("hushcast_log_dropped_total", "counter", "Lines of the log that could not be written.", dropped)


def hold_standard_descriptors() -> None:
    """Put /dev/null where a standard descriptor is closed: else the database's file could get its number, and be written to."""
    for descriptor in (0, 1, STANDARD_ERROR):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it has the lowest free number, which is this one


def say(*lines: str) -> None:
    """Print lines to standard output. Where nothing takes them, the server goes on, and its later output goes to /dev/null."""
    try:
        print(*lines, sep="\n", flush=True)
    except OSError as error:
        logging.getLogger(__name__).warning("standard output takes nothing: %s", error.strerror)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # what Python still has in its buffer must not fail again at the end
        os.close(nowhere)
