"""Keeps the certificate of `http.tls = "acme"`: gets the first one, renews it in time, and tries again after a failure.

What is served meanwhile is the previous certificate, or one that this server has signed itself.
"""

import asyncio
import importlib
import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import msgspec

from sfu.config.errors import ConfigError
from sfu.config.schema import HttpConfig
from sfu.tasks import cancel_and_wait, start_task
from web.acme import timetable
from web.acme.aside import aside
from web.acme.http_port import HttpPort, opened
from web.acme.past import AcmePast, past_of, store_past
from web.acme.refusal import NotIssued
from web.acme.stored import giver_of
from web.http.challenges import Challenges
from web.http.tls import certificate_for, certificate_served, certified_names, issued_file, names_without, tls_in_force

if TYPE_CHECKING:
    from web.acme.authority import Authority

logger = logging.getLogger(__name__)

LONGEST_SLEEP_S = 3600.0  # then the clock is looked at again, which may have been set
ASK_EVERY_S = 12 * 3600.0  # when the authority suggests to renew
HTTP_01, TLS_ALPN_01 = "http-01", "tls-alpn-01"


def check_installed(http: HttpConfig) -> None:
    """Import the library where it is needed, before the loop runs. Raises ConfigError."""
    if tls_in_force(http) == "acme":
        try:
            importlib.import_module("web.acme.authority")
        except ModuleNotFoundError as error:
            raise ConfigError('http.tls = "acme" needs packages that are not installed: `python3 run.py install acme`') from error


class CertificateKeeper:
    """Owns the task and the port of http-01. With another `http.tls` it does nothing.

    lines: for people at the start: what is served, and what the authority has to reach.
    """

    def __init__(
        self, http: HttpConfig, storage: Path, shown: Challenges, is_proxy: Callable[[str], bool], issued: Callable[[], None]
    ) -> None:
        """shown: what the server's port of https shows the authority. issued: called when a new certificate is stored."""
        self._http, self._storage, self._shown, self._is_proxy, self._issued = http, storage, shown, is_proxy, issued
        self._asked = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._open = AsyncExitStack()
        self._kinds: list[str] = []  # of challenges that can be answered, best first
        self._suggested: tuple[float, float | None] = (0.0, None)  # when it is asked next, and what it has suggested
        self._authority: Authority | None = None
        self.lines: list[str] = []

    async def __aenter__(self) -> Self:
        if tls_in_force(self._http) == "acme":
            from web.acme.authority import Authority

            self._authority = Authority(self._http, self._storage, self._shown)
            await self._open_port()
            self.lines.insert(0, await asyncio.to_thread(self._served))
            self._asked.set()  # a restart is a wish to try again
            self._keeping = start_task(self._keep(), "keeping the certificate")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._keeping is not None:
            await cancel_and_wait(self._keeping)
        await self._open.aclose()

    def ask(self) -> None:
        """Look at the certificate now, and try again after a failure (SIGHUP)."""
        self._asked.set()

    async def _open_port(self) -> None:
        name, port = certified_names(self._http)[0], self._http.acme_port
        if port:
            try:
                listening = await asyncio.to_thread(opened, self._http)
            except OSError as error:
                self.lines.append(f"certificate: port {port} (http.acme_port) cannot be opened: {error.strerror or error}")
            else:
                await self._open.enter_async_context(HttpPort(self._http, listening, self._shown, self._is_proxy))
                self._kinds.append(HTTP_01)
                self.lines.append(f"certificate: http://{name}/ (port 80) has to reach port {port} here (http.acme_port)")
        self._kinds.append(TLS_ALPN_01)
        other = "or" if len(self._kinds) > 1 else "certificate:"
        self.lines.append(f"{other} https://{name}/ (port 443) has to reach port {self._http.port or 'of http.port'} here (http.port)")

    def _served(self) -> str:
        """What is served at the start. Blocks."""
        place, names = urlsplit(self._http.acme_url).hostname, ", ".join(certified_names(self._http))
        found = certificate_served(self._http, self._storage)
        if found is not None:
            missing, giver = names_without(found, self._http), giver_of(self._http, self._storage)
            line = f"certificate: of {urlsplit(giver).hostname}, good until {found.not_valid_after_utc:%Y-%m-%d}, "
            line += f"not yet for {', '.join(missing)}" if missing else f"for {names}"
            return line if giver == self._http.acme_url else f"{line}, until {place} has given one"
        return f"certificate: self-signed, until {place} has given one for {names}; http.tls agrees to its terms"

    async def _keep(self) -> None:
        while True:
            past = await asyncio.to_thread(past_of, self._http, self._storage)
            if await self._rest_until(await self._due(past), past):
                await self._try(past)

    async def _rest_until(self, due: float, past: AcmePast) -> bool:
        """Sleep, an hour at most, or until somebody asks. Whether a try is to be made now."""
        sleep_s = min(due - time.time(), LONGEST_SLEEP_S)
        if sleep_s > 0:
            try:
                async with asyncio.timeout(sleep_s):
                    await self._asked.wait()
            except TimeoutError:
                return time.time() >= due
        asked = self._asked.is_set()
        self._asked.clear()
        if sleep_s <= 0:
            return True
        if not asked or not past.failures:
            return time.time() >= await self._due(past)
        earliest = timetable.soonest(past.refusals, past.not_before, time.time())
        if earliest > time.time():
            logger.warning("the authority allows few tries an hour; the next one for a certificate is at %s", _clock(earliest))
            return False
        return True

    async def _due(self, past: AcmePast) -> float:
        """When the next try is made, as Unix time."""
        now = time.time()
        earliest = timetable.soonest(past.refusals, past.not_before, now)
        if past.failures and past.failed_at <= now:
            return max(earliest, past.failed_at + _wait_s(past))
        names = certified_names(self._http)
        found = await asyncio.to_thread(certificate_for, issued_file(self._storage), names)
        if found is None or await asyncio.to_thread(giver_of, self._http, self._storage) != self._http.acme_url:
            return earliest
        begins, ends = found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp()
        return max(earliest, timetable.renewal_at(begins, ends, await self._suggestion(now)))

    async def _suggestion(self, now: float) -> float | None:
        asked_next, suggested = self._suggested
        if now >= asked_next and self._authority is not None:
            try:
                suggested = await aside(self._authority.suggested, "certificate")
            except (NotIssued, OSError) as error:
                logger.info("when to renew the certificate cannot be asked: %s", error)
            self._suggested = (now + ASK_EVERY_S, suggested)
        return suggested

    async def _try(self, past: AcmePast) -> None:
        """Get a certificate; store what came of it."""
        assert self._authority is not None
        kinds, authority = _turned(self._kinds, past.refused), self._authority
        logger.info("asking %s for a certificate, by %s", urlsplit(self._http.acme_url).hostname, kinds[0])
        try:
            end = await aside(lambda: authority.obtain(kinds), "certificate")
        except (NotIssued, OSError) as error:
            past = self._failed(past, error)
        else:
            logger.info("the authority has given a certificate; it is good until %s", end)
            past = AcmePast(asked=past.asked)
            self._suggested = (0.0, None)
            self._issued()
        try:
            await asyncio.to_thread(store_past, past, self._storage)
        except OSError as error:
            logger.warning("what became of the certificate cannot be stored: %s", error)
            await asyncio.sleep(timetable.AWAY_S[-1])  # the count is lost, so that nothing else slows the tries down

    def _failed(self, past: AcmePast, error: NotIssued | OSError) -> AcmePast:
        now = time.time()
        refused = isinstance(error, NotIssued) and error.refused  # where nothing can be stored here nothing more is ordered there
        wished = error.not_before if isinstance(error, NotIssued) else 0.0
        past = msgspec.structs.replace(
            past,
            failures=past.failures + 1,
            refused=past.refused + refused,
            refusals=(*(at for at in past.refusals if now - timetable.HOUR_S < at <= now), *((now,) if refused else ())),
            not_before=wished,
            failure=str(error),
            failed_at=now,
        )
        earliest = timetable.soonest(past.refusals, wished, now)
        logger.warning("no new certificate: %s; the next try is at %s", error, _clock(max(earliest, now + _wait_s(past))))
        return past


def _wait_s(past: AcmePast) -> float:
    """From the last failure to the next try; the same each time it is asked for one failure."""
    refused = past.failed_at in past.refusals
    failures = past.refused if refused else past.failures - past.refused
    return timetable.wait_s(failures, refused=refused, chance=random.Random(past.failed_at).random())


def _turned(kinds: Sequence[str], refused: int) -> list[str]:
    """The challenges, each first in its turn."""
    first = refused % len(kinds)
    return [*kinds[first:], *kinds[:first]]


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
