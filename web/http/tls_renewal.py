"""Loads a renewed certificate while the server runs: checks the files every few seconds and at SIGHUP, on a thread.

New connections get the new certificate; open ones keep theirs.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509

from sfu.config.errors import ConfigError
from sfu.config.schema import HttpConfig
from sfu.tasks import cancel_and_wait, start_task
from web.http.tls import certificate_file, state_of, tls_context, tls_in_force

logger = logging.getLogger(__name__)

EVERY_S = 3.0
FAILURES_BEFORE_WARNING = 3  # key and certificate are replaced one after the other, and do not match in between


class TlsRenewal:
    """Owns the task that checks the certificate of `http.tls`. Without TLS it does nothing.

    A certificate that cannot be used is tried again at each check; meanwhile the previous one is served.
    """

    def __init__(self, http: HttpConfig, storage: Path, serve: Callable[[ssl.SSLContext], None]) -> None:
        """serve: called with the context for new connections."""
        self._http, self._storage, self._serve = http, storage, serve
        self._asked = asyncio.Event()
        self._served: object = None  # the files' state when they were last loaded; None: they may have changed since the start
        self._shown: bytes = b""  # the certificate that was last loaded
        self._refused: object = None  # this and the next: the state that cannot be used, for how many checks, and what was logged
        self._failures, self._said = 0, ""
        self._checking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if tls_in_force(self._http) != "off":
            self._checking = start_task(self._check_repeatedly(), "renewing the certificate")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._checking is not None:
            await cancel_and_wait(self._checking)

    def ask(self) -> None:
        """Load the certificate now, changed or not (SIGHUP)."""
        if self._checking is None:
            logger.info("SIGHUP: there is no certificate to read again")
        self._asked.set()

    async def _check_repeatedly(self) -> None:
        while True:
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._asked.wait()
            except TimeoutError:
                pass
            asked = self._asked.is_set()
            self._asked.clear()
            state = await asyncio.to_thread(state_of, self._http, self._storage)
            if state == self._served and not asked:
                self._refused, self._said = None, ""
                continue
            try:
                context, shown = await asyncio.to_thread(self._read)
            except (ConfigError, OSError) as error:
                self._failed(str(error), asked, state)
            else:
                self._renewed(context, shown, asked)
                self._served = state  # as it was before loading: a change during loading is loaded next

    def _read(self) -> tuple[ssl.SSLContext, bytes]:
        """The context of the new certificate, and the certificate. Blocks: not for the loop. Raises ConfigError, OSError."""
        context = tls_context(self._http, self._storage)
        assert context is not None, "there is something to watch"
        file = certificate_file(self._http, self._storage)
        shown = file.read_bytes()
        until = _end_of(shown)
        if until is not None and until < datetime.now(UTC):
            raise ConfigError(f"{file} has expired on {until:%Y-%m-%d}")
        return context, shown

    def _renewed(self, context: ssl.SSLContext, shown: bytes, asked: bool) -> None:
        self._serve(context)
        if asked or (self._shown and shown != self._shown):
            logger.info("the certificate has been read again; it is good until %s", _end_of(shown))
        self._shown, self._refused, self._said = shown, None, ""

    def _failed(self, why: str, asked: bool, state: object) -> None:
        self._failures = self._failures + 1 if state == self._refused else 1
        self._refused = state
        if (asked or self._failures >= FAILURES_BEFORE_WARNING) and why != self._said:
            logger.warning("%s; the certificate that was there before goes on being served", why)
            self._said = why


def _end_of(shown: bytes) -> datetime | None:
    """When a certificate expires; None for one that only OpenSSL can read."""
    try:
        return x509.load_pem_x509_certificate(shown).not_valid_after_utc
    except ValueError:
        return None
