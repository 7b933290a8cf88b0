"""Clients of the package redis: of the Redis at a URL, or of the one that Sentinel says takes writes now.

The package is imported when a client is made: a server without Redis does not need it.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from sfu.config.errors import ConfigError

CONNECT_S = 1.0
SENTINEL_S = 0.5  # for a connection to one Sentinel, and for its answer: the next one is asked soon
HEALTH_S = 5  # a connection that was idle for so long is tried before it is used
SENTINEL_PORT = 26379


class RedisClients:
    """Makes clients that do not try again by themselves, and owns the connections to Sentinels, of which each new connection asks."""

    def __init__(self, url: str, sentinels: Sequence[str] = ()) -> None:
        """sentinels: `redis://` or `rediss://` URLs; with them the host in `url` is what they call the Redis that they watch.

        Raises ConfigError where the package is not installed or does not take a URL.
        """
        watching = ", ".join(place_of(each, SENTINEL_PORT) for each in sentinels)
        self.place = f"{_host(url)} (by Sentinel at {watching})" if sentinels else place_of(url)
        self.patience_s = CONNECT_S + 2 * SENTINEL_S * len(sentinels)  # until a connection is there, or cannot be had
        self._url = url
        self._contexts: dict[str, Any] = {}  # URL that says TLS -> redis.asyncio.connection.RedisSSLContext
        self._sentinel = self._asking(sentinels) if sentinels else None

    def client(self, limit_s: float) -> Any:  # redis.asyncio.Redis, whose commands have no types
        """A client whose questions have this limit; the caller closes it. Answers are as Redis gives them."""
        options = _options(limit_s)
        try:
            if self._sentinel is None:
                client = _redis().from_url(self._url, **options)
            else:
                client = self._sentinel.master_for(_host(self._url), **(options | _parsed(self._url)))
            self._share(client, self._url)
        except _refusals() as error:
            raise ConfigError(f"redis.url: {error}") from error
        client.response_callbacks.clear()
        return client

    async def prepare(self) -> None:
        """Read authorities and certificates, once, and not on the loop: to be awaited before the first question. Raises OSError."""
        for each in self._contexts.values():
            if each.context is None:
                await asyncio.to_thread(each.get)

    def _asking(self, urls: Sequence[str]) -> Any:  # redis.asyncio.sentinel.Sentinel
        _redis()
        from redis.asyncio.sentinel import Sentinel

        sentinel = Sentinel([])  # type: ignore[no-untyped-call]
        options = _options(SENTINEL_S) | {"socket_connect_timeout": SENTINEL_S}
        try:
            # One by one from URLs: a Sentinel may have its own password, and TLS.
            sentinel.sentinels = [_redis().from_url(_with_port(url), **options) for url in urls]
            for client, url in zip(sentinel.sentinels, urls, strict=True):
                self._share(client, url)
        except _refusals() as error:
            raise ConfigError(f"redis.sentinels: {error}") from error
        return sentinel

    def _share(self, client: Any, url: str) -> None:
        """All connections by this URL get one TLS context; the package makes one for each, and reads all authorities for it."""
        from redis.asyncio.connection import SSLConnection

        pool = client.connection_pool
        if issubclass(pool.connection_class, SSLConnection):
            if url not in self._contexts:
                self._contexts[url] = pool.connection_class(**pool.connection_kwargs).ssl_context
            pool.connection_class = _with_context(pool.connection_class, self._contexts[url])

    async def disconnect(self, *, for_good: bool = False) -> None:
        """Close the connections to Sentinels. Raises what the package raises for those that are broken."""
        if self._sentinel is not None:
            clients = self._sentinel.sentinels
            await asyncio.gather(*(each.aclose() if for_good else each.connection_pool.disconnect() for each in clients))


def place_of(url: str, usual_port: int = 6379) -> str:
    """The host and port in the URL, without what is secret in it."""
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    return f"{f'[{host}]' if ':' in host else host}:{parts.port or usual_port}"


def _host(url: str) -> str:
    """The host as it is written, for Sentinel tells capitals from small letters."""
    return re.sub(r":\d*$", "", urlsplit(url).netloc.rpartition("@")[2])


def _refusals() -> tuple[type[Exception], ...]:
    """What is raised for a URL that the package does not take."""
    _redis()
    from redis.exceptions import RedisError

    return ValueError, TypeError, RedisError


def _with_context(kind: Any, context: Any) -> Any:
    """A class of connections by TLS that use this context."""

    class SharedSSLConnection(kind):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.ssl_context = context

    return SharedSSLConnection


def _with_port(url: str) -> str:
    parts = urlsplit(url)
    return url if parts.port else parts._replace(netloc=f"{parts.netloc.rstrip(':')}:{SENTINEL_PORT}").geturl()


def _parsed(url: str) -> dict[str, Any]:
    """What the URL says but for where: database, user, password, TLS."""
    from redis.asyncio.connection import parse_url

    options = dict(parse_url(url))
    options.pop("host", None)
    options.pop("port", None)
    options["ssl"] = options.pop("connection_class", None) is not None
    return options


def _options(limit_s: float) -> dict[str, Any]:
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return {
        "socket_connect_timeout": CONNECT_S,
        "socket_timeout": limit_s,
        "health_check_interval": HEALTH_S,
        "retry": Retry(NoBackoff(), 0),  # connections are made again by RedisConnection
        "protocol": 2,
    }


def _redis() -> Any:  # the class redis.asyncio.Redis
    try:
        from redis.asyncio import Redis
    except ImportError as error:
        raise ConfigError("redis.url needs packages that are not installed: `python3 run.py install nodes`") from error
    return Redis
