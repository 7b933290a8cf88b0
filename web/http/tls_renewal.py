"""A certificate that is renewed while the server runs: looked at every few seconds and at SIGHUP, read off the loop.

New connections get the new one; those that there are keep what they began with.
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

from sfu.config.schema import HttpConfig
from sfu.errors import ConfigError
from sfu.tasks import ended, lasting
from web.http.tls import certificate_file, state_of, tls_context, tls_in_force

logger = logging.getLogger(__name__)

EVERY_S = 3.0
PATIENCE = 3  # looks at what cannot be used before that is said: key and certificate are swapped one after the other


class TlsRenewal:
    """Watches what `http.tls` serves, from the start on. Owns the task that looks; None to serve is plain HTTP, with nothing to watch.

    What cannot be used is tried again at each look, and the one before it goes on being served.
    """

    def __init__(self, http: HttpConfig, storage: Path, serve: Callable[[ssl.SSLContext], None]) -> None:
        """serve: give this to every new connection."""
        self._http, self._storage, self._serve = http, storage, serve
        self._asked = asyncio.Event()
        self._served: object = None  # the state of the files that was read last; none yet, for they may have changed since the start
        self._shown: bytes = b""  # the certificate that was read last
        self._refused: object = None  # the state that cannot be used, for so many looks, and what was said of it
        self._failures, self._said = 0, ""
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if tls_in_force(self._http) != "off":
            self._looking = lasting(self._look_again_and_again(), "renewing the certificate")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._looking is not None:
            await ended(self._looking)

    def ask(self) -> None:
        """SIGHUP: read it now, changed or not."""
        if self._looking is None:
            logger.info("SIGHUP: there is no certificate to read again")
        self._asked.set()

    async def _look_again_and_again(self) -> None:
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
                self._served = state  # as it was before it was read: what has changed meanwhile is read again

    def _read(self) -> tuple[ssl.SSLContext, bytes]:
        """The new one, ready to serve, and what it shows. Not for the loop. Raises ConfigError, OSError."""
        context = tls_context(self._http, self._storage)
        assert context is not None, "there is something to watch"
        file = certificate_file(self._http, self._storage)
        shown = file.read_bytes()
        until = _end_of(shown)
        if until is not None and until < datetime.now(UTC):
            raise ConfigError(f"http.cert: {file} has expired on {until:%Y-%m-%d}")
        return context, shown

    def _renewed(self, context: ssl.SSLContext, shown: bytes, asked: bool) -> None:
        self._serve(context)
        if asked or (self._shown and shown != self._shown):
            logger.info("the certificate has been read again; it is good until %s", _end_of(shown))
        self._shown, self._refused, self._said = shown, None, ""

    def _failed(self, why: str, asked: bool, state: object) -> None:
        self._failures = self._failures + 1 if state == self._refused else 1
        self._refused = state
        if (asked or self._failures >= PATIENCE) and why != self._said:
            logger.warning("%s; the certificate that was there before goes on being served", why)
            self._said = why


def _end_of(shown: bytes) -> datetime | None:
    """Until when a certificate is good; None for one that OpenSSL takes and we cannot read."""
    try:
        return x509.load_pem_x509_certificate(shown).not_valid_after_utc
    except ValueError:
        return None
