"""A rate limit where the stream has partitions: each has its part of it, and none holds the others up (R30, R37)."""

from dataclasses import replace

import redis

from publisher.channels.email import EMAIL
from publisher.domain.rate_limit import RateLimit
from publisher.streams.keys import limit_key
from publisher.streams.outbound import OutboundStreams
from storage.database import Database
from tests.integration.publishers import publisher
from tests.integration.publishing.limited_workers import waiting
from tests.integration.rows import all_routes, change, due_routes

# So slow that no token comes while the test runs.
FOUR = replace(EMAIL, partitions=4, rate=RateLimit(0.001, 8))


def test_a_partition_without_tokens_does_not_hold_up_the_others(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """All of the oldest routes are of one partition: its part of the limit goes out, and that of each other one."""
    due_routes(database, 40)
    first = FOUR.streams[1]
    ids = [
        r["id"] for r in all_routes(database) if FOUR.location.part(f"{r['notification_id']}/{r['route_id']}") == first
    ]
    change(database, ids, "next_attempt_at = now() - interval '1 day'")
    seconds, micros = redis_client.time()
    for part in FOUR.streams:
        bucket = limit_key(part.stream, "email")
        redis_client.hset(bucket, mapping={"tokens": 2, "at": seconds * 1_000_000 + micros})
        redis_client.pexpire(bucket, 60_000)

    publisher(database, streams, channels={"email": FOUR}).publish_due("email")

    assert [redis_client.xlen(part.stream) for part in FOUR.streams] == [2, 2, 2, 2]
    assert waiting(database) == {("pending", 0, None, 0)}
