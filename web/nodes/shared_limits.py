"""Token buckets in Redis, which all servers take from: whoever guesses passwords gains nothing by asking another one.

A bucket is one number, when it will be full again by Redis' clock; it lapses then. Redis sees no name and no address, only a digest.
"""

from hashlib import blake2b

from web.auth.rate_limit import Bucket
from web.nodes.redis_connection import RedisAway, RedisConnection, RedisRefused
from web.nodes.scripts import GIVE_BACK, TAKE


class SharedLimits:
    """Implements `rate_limit.SharedBuckets`. While Redis is away it says so at once, and each server counts by itself."""

    def __init__(self, redis: RedisConnection) -> None:
        self._redis = redis

    async def take(self, name: str, key: str, bucket: Bucket) -> float | None:
        """Take one attempt. Returns 0, or the seconds until there is one; None: Redis is away."""
        try:
            wait_ms = await self._redis.run(TAKE, [_key(name, key)], int(bucket.refill_s * 1000), bucket.burst)
        except (RedisAway, RedisRefused):
            return None
        return wait_ms / 1000 if isinstance(wait_ms, int) else None

    async def give_back(self, name: str, key: str, bucket: Bucket) -> None:
        """Undo a take; where Redis is away, it lapses."""
        try:
            await self._redis.run(GIVE_BACK, [_key(name, key)], int(bucket.refill_s * 1000), bucket.burst)
        except (RedisAway, RedisRefused):
            pass


def _key(name: str, key: str) -> str:
    return f"limit:{name}:{blake2b(key.encode(), digest_size=16).hexdigest()}"
