"""The token bucket of a channel's rate limit as it stands in Redis."""

import redis

from publisher.streams.keys import limit_key
from tests.factories import CHANNELS


def bucket(channel: str) -> str:
    """The bucket's key."""
    return limit_key(CHANNELS[channel].stream, channel)


def now_us(client: redis.Redis) -> int:
    """The server's clock, in microseconds."""
    seconds, microseconds = client.time()
    return int(seconds) * 1_000_000 + int(microseconds)


def fill(client: redis.Redis, tokens: float, channel: str = "email", **fields: object) -> None:
    """Makes a bucket with so many tokens at this moment, and these other fields."""
    client.hset(bucket(channel), mapping={"tokens": repr(tokens), "at": now_us(client), **fields})
    client.expire(bucket(channel), 60)


def tokens(client: redis.Redis, channel: str = "email") -> float:
    """How many tokens the bucket had when it was last written."""
    return float(client.hget(bucket(channel), "tokens"))


def promised(client: redis.Redis, channel: str = "email") -> int:
    """How many of them workers were promised."""
    return sum(int(count or 0) for count in client.hmget(bucket(channel), "promised", "promised_before"))
