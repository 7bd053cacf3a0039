"""Trimming streams: up to what every consumer group has acknowledged, or, where that is wished, by length (R13)."""

from datetime import timedelta

import redis

from publisher.streams.connection import translated
from publisher.streams.scripts import script

_TRIM = script("trim")
# A millisecond or two of the server's time.
_LIMIT = 10_000


def trim_acknowledged(client: redis.Redis, stream: str, group: str | None, keep: timedelta) -> int:
    """Removes the oldest entries that every group of the stream has acknowledged and that are older than `keep`.

    group: while it is missing nothing is removed. None: while there is no group at all. Nothing is removed while any
    group has read nothing either. At most a node's worth of what could go stays (100 entries by default), and the last
    entry delivered always does. Returns how many entries went; 0 once there is nothing more to remove.

    It looks and trims in one step, so no delivery comes between. A group that is made afterwards finds what is
    left, as if it had been made a moment later: nobody had promised it what all others were done with.

    An entry's age is told by its id: one with an id of its producer's own making may look older or younger.
    Raises RedisUnavailable or RedisRefused.
    """
    with translated():
        removed: int = client.register_script(_TRIM)(
            keys=[stream], args=[group or "", round(keep.total_seconds() * 1000), _LIMIT]
        )
    return removed


def trim_to_length(client: redis.Redis, stream: str, length: int) -> int:
    """Removes the oldest entries of a stream that is longer than this, read or not: at most a node's worth too few.

    Returns how many went; 0 once there is nothing more to remove. Raises RedisUnavailable or RedisRefused.
    """
    with translated():
        removed: int = client.execute_command("XTRIM", stream, "MAXLEN", "~", length, "LIMIT", _LIMIT)
    return removed
