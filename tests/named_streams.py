"""Plants streams that settings named some time ago, as workers of before a deploy have noted them."""

from datetime import timedelta

import redis

from publisher.streams.keys import NAMED

HOUR = timedelta(hours=1)


def named_before(client: redis.Redis, *addresses: str, ago: timedelta = HOUR) -> None:
    """Has these streams last been named so long ago, by the clock of this Redis."""
    seconds, _ = client.time()
    at = (seconds - round(ago.total_seconds())) * 1000
    client.hset(NAMED, mapping=dict.fromkeys(addresses, at))
    client.expire(NAMED, HOUR)
