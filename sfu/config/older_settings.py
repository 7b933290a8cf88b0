"""Environment variables that older designs read, each with what replaces it. Pure."""

from collections.abc import Container, Iterator, Mapping
from types import MappingProxyType

REPLACED: Mapping[str, str] = MappingProxyType(
    {
        "DATABASE_URL": "database.url (HUSHCAST_DATABASE_URL) names a PostgreSQL database; without it rows are in a file of storage.path",
        "REDIS_HOST": "redis.url (HUSHCAST_REDIS_URL) has host and port; one server needs no Redis",
        "REDIS_PORT": "redis.url (HUSHCAST_REDIS_URL) has host and port; one server needs no Redis",
        "REDIS_URL": "redis.url (HUSHCAST_REDIS_URL); one server needs no Redis",
        "AUDIO_CHUNK_SECONDS": "nothing replaces it: live sound goes in packets of 10 or 20 ms, whose length the server chooses",
    }
)


def told(environment: Container[str]) -> Iterator[str]:
    """A line for each older variable that is set. Values are never part of it, for they may hold passwords."""
    yield from (f"{name} is a setting of an older design, so ignored: {REPLACED[name]}" for name in REPLACED if name in environment)
