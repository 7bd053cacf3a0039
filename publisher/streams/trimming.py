"""Trimming the intents stream, up to what every consumer group has acknowledged. Never by its length."""

from datetime import timedelta
from importlib.resources import files

import redis

from publisher.streams.connection import translated

_TRIM = files("publisher.streams").joinpath("trim.lua").read_text()
# A millisecond or two of the server's time.
_LIMIT = 10_000


def trim_acknowledged(client: redis.Redis, stream: str, group: str, keep: timedelta) -> int:
    """Removes the oldest entries that every group of the stream has acknowledged and that are older than `keep`.

    Returns how many; 0 once there is nothing more to remove. Nothing is removed while the service's own group is
    missing, or while any group has read nothing. At most a node's worth of what could go stays (100 entries by
    default), and the last entry delivered always does.

    It looks and trims in one step, so no delivery comes between. A group that is made afterwards finds what is
    left, as if it had been made a moment later: nobody had promised it what all others were done with.

    An entry's age is told by its id: one with an id of its producer's own making may look older or younger.
    Raises RedisUnavailable or RedisRefused.
    """
    with translated():
        removed: int = client.register_script(_TRIM)(
            keys=[stream], args=[group, round(keep.total_seconds() * 1000), _LIMIT]
        )
    return removed
