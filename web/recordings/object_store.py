"""The S3 of `storage.s3_url`: objects are put, read by pieces, listed and deleted; each question has a time limit and a few tries.

The package obstore is imported here alone, when the store is made: a server without S3 does not need it. What S3 says is never shown or
logged as it is, only what kind of trouble it is.
"""

import asyncio
import hashlib
import logging
import os
import re
import secrets
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from sfu.config.errors import ConfigError
from sfu.errors import HushcastError
from web.http.metrics import Sample

if TYPE_CHECKING:
    from obstore.store import S3Store

logger = logging.getLogger(__name__)

FIRST_PIECE, PIECE = 512 * 1024, 4 * 1024 * 1024  # bytes that one request reads; the first is small, for a quick start
PART = 5 * 1024 * 1024  # of an upload; the least that S3 takes
CONNECT_S = 3.0
READ_S = 20.0  # for one piece
WRITE_S = 120.0  # for one part: 0.35 Mbit/s at least
TRIES, TRYING_S = 2, 10.0  # again after the first, and for how long
SAY_AGAIN_S = 60.0  # the same trouble is logged once in so long
WHY = {
    "unreachable": "it cannot be reached, or does not answer in time",
    "refused": "it refuses this key, or this key may not do that (403)",
    "no_bucket": "there is no such bucket",
    "busy": "it answers with an error of its own (5xx), or asks to slow down",
    "missing": "an object is not there",
    "cut_short": "an object is shorter or longer than it was, or its sending breaks off",
    "wrong_checksum": "an object is not as it was sent (SHA-256)",
}
OF_ALL = ("unreachable", "refused", "no_bucket", "busy")  # the store's trouble; the rest is of one object


class ObjectTrouble(HushcastError):
    """S3 has not done what was asked. reason: one of WHY."""

    def __init__(self, reason: str) -> None:
        super().__init__(WHY[reason])
        self.reason = reason


class Address(NamedTuple):
    """`storage.s3_url`, taken apart; "" and None: not given."""

    bucket: str
    prefix: str
    endpoint: str | None
    region: str
    key: str
    secret: str

    @property
    def shown(self) -> str:
        """Without what is secret."""
        return f"s3://{self.bucket}{'/' if self.prefix else ''}{self.prefix}" + (f" at {self.endpoint}" if self.endpoint else "")


def address_of(url: str) -> Address:
    """url: as `sfu.config.checks` has let it pass."""
    parts = urlsplit(url)
    given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    key, secret = (unquote(each or "") for each in (parts.username, parts.password))
    prefix = unquote(parts.path).strip("/")
    return Address(str(parts.hostname), prefix, given.get("endpoint"), given.get("region", "us-east-1"), key, secret)


class ObjectStore:
    """One bucket, or what lies below a prefix in it; keys are relative to that. Knows whether S3 did what it was asked last."""

    def __init__(self, url: str, *, quiet: bool = False) -> None:
        """quiet: logs nothing, for a command that says itself what failed.

        Raises ConfigError where the package is not installed or does not take the URL.
        """
        self._quiet = quiet
        self._address = address_of(url)
        self._reading, self._writing = _client(self._address, READ_S), _client(self._address, WRITE_S)
        self._troubles: dict[str, str] = {}  # by way, of what was asked last
        self._said: dict[str, float] = {}
        self._failed: Counter[str] = Counter(dict.fromkeys(WHY, 0))
        self._bytes = {"read": 0, "written": 0}

    @property
    def place(self) -> str:
        """Where it is, without what is secret."""
        return self._address.shown

    @property
    def trouble(self) -> str | None:
        """Why S3 is away, in words; None where it answered last."""
        return next((f"{self.place} is away: {WHY[reason]}" for reason in self._troubles.values()), None)

    def samples(self) -> Iterable[Sample]:
        """For /metrics."""
        yield Sample("hushcast_s3_up", "gauge", "1 where S3 did what it was asked last, else 0.", not self._troubles)
        for reason, count in self._failed.items():
            yield Sample(
                "hushcast_s3_failures_total", "counter", "Questions that S3 did not answer as it should.", count, {"reason": reason}
            )
        for way, count in self._bytes.items():
            yield Sample("hushcast_s3_bytes_total", "counter", "Bytes of recordings' files to and from S3.", count, {"way": way})

    async def probe(self) -> None:
        """Ask for something, however little. Raises ObjectTrouble."""
        try:
            async for _ in self._reading.list(chunk_size=1):
                break
        except Exception as error:
            raise self.failed(_reason(error), "read") from error
        self._answered("read")

    async def try_out(self) -> None:
        """Write, read and delete a small object. Raises ObjectTrouble."""
        place, content = f"tried/{secrets.token_hex(8)}", secrets.token_bytes(100)
        try:
            await self._writing.put_async(f"{place}/it", content)
        except Exception as error:
            raise self.failed(_reason(error), "written") from error
        await self.check(f"{place}/it", len(content), hashlib.sha256(content).hexdigest())
        await self.delete_below(place)

    async def put(self, key: str, file: Path, size: int) -> None:
        """Send a file that nobody writes any more. Raises ObjectTrouble, OSError."""
        await asyncio.to_thread(lambda: file.open("rb").close())  # what is wrong with the file is not S3's fault
        try:
            await self._writing.put_async(key, file, use_multipart=size > PART, chunk_size=PART, max_concurrency=1)
        except Exception as error:
            raise self.failed(_reason(error), "written") from error
        self._bytes["written"] += size
        self._answered("written")

    async def check(self, key: str, size: int, sha256: str) -> None:
        """Read it back. Raises ObjectTrouble where it is not this."""
        digest = hashlib.sha256()
        async with aclosing(self.pieces(key, size, 0, size, PIECE)) as pieces:
            async for piece in pieces:
                await asyncio.to_thread(digest.update, piece)
        if digest.hexdigest() != sha256:
            raise self.failed("wrong_checksum", "read")

    async def pieces(self, key: str, size: int, start: int, stop: int, first: int = FIRST_PIECE) -> AsyncGenerator[bytes, None]:
        """Bytes start..stop-1 of an object that has `size`, one request a piece: none is open while the taker is slow.

        Raises ObjectTrouble, at the latest at the piece that is not as it should be.
        """
        length = first
        while start < stop:
            until = min(stop, start + length)
            piece = await self._piece(key, size, start, until)
            self._bytes["read"] += len(piece)
            self._answered("read")
            yield piece
            start, length = until, min(PIECE, 2 * length)

    async def _piece(self, key: str, size: int, start: int, stop: int) -> bytes:
        """Once more where its sending breaks off, which obstore does not try by itself. Raises ObjectTrouble."""
        for last in (False, True):
            try:
                answer = await self._reading.get_async(key, options={"range": (start, stop)})
                piece = bytes(await answer.bytes_async())
            except Exception as error:
                if last or _reason(error) != "cut_short":
                    raise self.failed(_reason(error), "read") from error
            else:
                break
        if answer.meta["size"] != size or len(piece) != stop - start:
            raise self.failed("cut_short", "read")
        return piece

    async def delete_below(self, place: str) -> None:
        """Delete all objects whose keys begin with `place` and a slash. Raises ObjectTrouble."""
        try:
            async for some in self._reading.list(place):
                await self._writing.delete_async([each["path"] for each in some])
        except Exception as error:
            raise self.failed(_reason(error), "written") from error
        self._answered("written")

    def failed(self, reason: str, way: str) -> ObjectTrouble:
        """Count and log a failure; what to raise."""
        self._failed[reason] += 1
        if reason in OF_ALL:
            self._troubles[way] = reason
        now = time.monotonic()
        if not self._quiet and now - self._said.get(reason, -SAY_AGAIN_S) >= SAY_AGAIN_S:
            self._said[reason] = now
            logger.warning("%s: %s; recordings stay where they are", self.place, WHY[reason])
        return ObjectTrouble(reason)

    def _answered(self, way: str) -> None:
        if self._troubles.pop(way, None) is not None and not self._troubles:
            logger.info("%s: it answers again", self.place)


def _client(address: Address, limit_s: float) -> "S3Store":
    try:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store
    except ImportError as error:
        raise ConfigError("storage.s3_url needs packages that are not installed: `python3 run.py install nodes`") from error
    config: dict[str, Any] = {"region": address.region}
    if address.endpoint:
        config["endpoint"] = address.endpoint
    key, secret, token = address.key, address.secret, ""
    if not key:
        key, secret, token = (os.environ.get(f"AWS_{name}", "") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"))
    given = {"access_key_id": key, "secret_access_key": secret, "session_token": token}
    config |= {name: value for name, value in given.items() if value}
    limits: dict[str, Any] = {"timeout": timedelta(seconds=limit_s), "connect_timeout": timedelta(seconds=CONNECT_S)}
    limits["allow_http"] = (address.endpoint or "").startswith("http://")
    backoff = {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2}
    retries: Any = {"max_retries": TRIES, "retry_timeout": timedelta(seconds=TRYING_S), "backoff": backoff}
    try:
        return S3Store(address.bucket, prefix=address.prefix or None, config=config, client_options=limits, retry_config=retries)  # type: ignore[arg-type]
    except (BaseError, ValueError) as error:
        raise ConfigError("storage.s3_url: not taken; it is like s3://bucket/prefix?endpoint=https://s3.example.org") from error


def _reason(error: Exception) -> str:
    """One of WHY, by the status and the code in what obstore says."""
    said = str(error)
    status = re.search(r"status code: (\d{3})", said)
    number = int(status[1]) if status else 0
    if "<Code>NoSuchBucket</Code>" in said:
        return "no_bucket"
    if number in (401, 403) or type(error).__name__ in ("PermissionDeniedError", "UnauthenticatedError"):
        return "refused"
    if isinstance(error, FileNotFoundError):
        return "missing"
    if number == 416 or "Requested range" in said or "body error" in said:
        return "cut_short"
    if number:
        return "busy"
    return "unreachable"
