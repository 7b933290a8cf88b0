"""Counts malformed HTTP requests, which aiohttp answers with 400, and keeps them out of the log, where they would be errors."""

import logging
from collections.abc import AsyncIterator, Iterable

from aiohttp import http_exceptions, web

from web.http.metrics import METRICS, Sample

# Errors that a client alone can cause, in the head or in the body.
CLIENTS_FAULT = (http_exceptions.HttpProcessingError, web.RequestPayloadError)


class Malformed(logging.Filter):
    """Drops and counts log records of malformed requests; drops those of lost connections without counting."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, CLIENTS_FAULT):
            return not isinstance(error, ConnectionError)
        self.count += 1
        return False

    def samples(self) -> Iterable[Sample]:
        """For /metrics."""
        yield Sample("hushcast_malformed_requests_total", "counter", "Requests that were no valid HTTP.", self.count)


async def malformed(app: web.Application) -> AsyncIterator[None]:
    """Cleanup context: filters the log of aiohttp's server while the app runs."""
    filtering, log = Malformed(), logging.getLogger("aiohttp.server")
    log.addFilter(filtering)
    app[METRICS].append(filtering.samples)
    yield
    log.removeFilter(filtering)
