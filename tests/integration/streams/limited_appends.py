"""Appends commands of push under a rate limit, and what became of each."""

from collections.abc import Sequence

import redis

from publisher.domain.channel import Command
from publisher.domain.rate_limit import RateLimit
from publisher.streams.append_result import Appended, AppendResult
from publisher.streams.outbound import Delivery
from tests.integration.buckets import bucket, fill

KEY = bucket("push")
# So slow that no token comes while a test runs, unless it turns the clock.
SLOW = RateLimit(0.001, 10)
HOUR_US = 3_600_000_000


def deliveries(count: int, first: int = 0) -> list[Delivery]:
    """So many new commands, by their numbers."""
    return [Delivery(f"delivery-{n}", Command((("n", str(n)),))) for n in range(first, first + count)]


def words(results: Sequence[AppendResult]) -> list[str]:
    """What became of each command: new, known, or the name of the result."""
    return [
        ("new" if result.first else "known") if isinstance(result, Appended) else type(result).__name__
        for result in results
    ]


def fill_push(client: redis.Redis, count: float, **fields: object) -> None:
    """Makes the bucket of push with so many tokens at this moment, and these other fields."""
    fill(client, count, "push", **fields)
