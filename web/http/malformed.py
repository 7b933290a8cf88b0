"""Requests that are not even HTTP: answered 400 by aiohttp, counted here, and kept out of the log, where they would be errors."""

import logging
from collections.abc import AsyncIterator, Iterable

from aiohttp import http_exceptions, web

from web.http.metrics import METRICS, Sample

# What a client's bytes alone can bring about, in the head or in the body.
CLIENTS_FAULT = (http_exceptions.HttpProcessingError, web.RequestPayloadError)


class Malformed(logging.Filter):
    """Takes the client's nonsense out of the log of aiohttp's server and counts it. Who hangs up is neither logged nor counted."""

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
    """Cleanup context: filters while the app runs."""
    filtering, log = Malformed(), logging.getLogger("aiohttp.server")
    log.addFilter(filtering)
    app[METRICS].append(filtering.samples)
    yield
    log.removeFilter(filtering)
