"""Finds out that REDIS_URL names one shard of several, which can keep neither queues nor heartbeats (R13)."""

import redis
from redis.exceptions import MovedError

from publisher.domain.errors import RedisRefused, RedisUnavailable, SettingsError
from publisher.streams.keys import doctor_key
from publisher.streams.servers.connection import translated

# What to do then.
WAY_OUT = (
    "name a Redis without a cluster in REDIS_URL, and the cluster as redis+cluster://host:port,host:port in"
    " PUBLISHER_EMAIL_REDIS_URL, PUBLISHER_INTENTS_REDIS_URL, … (publisher guide deploying)"
)
# So many keys, each in a slot of its own, are not all on one of two shards.
_KEYS = 16


def refuse_shards(client: redis.Redis) -> None:
    """Raises SettingsError if this server is one of a cluster of several shards. It takes one round trip.

    client: of the Redis of REDIS_URL. One that is away, or that lets this user read nothing, is no matter of this
    function: whoever works with it finds out.
    """
    try:
        owners = _owners(client)
    except (RedisUnavailable, RedisRefused):
        return
    # A replica answers that its primary has every key.
    if len(owners) > 1:
        raise SettingsError(
            f"REDIS_URL names one shard of a cluster of several, and Dramatiq's queues need one server: {WAY_OUT}"
        )


def _owners(client: redis.Redis) -> set[str]:
    """Returns which servers have some keys, by host and port; blank: this one has."""
    with translated(), client.pipeline(transaction=False) as pipe:
        for number in range(_KEYS):
            pipe.get(doctor_key(str(number)))
        replies = pipe.execute(raise_on_error=False)
    return {f"{reply.host}:{reply.port}" if isinstance(reply, MovedError) else "" for reply in replies}
