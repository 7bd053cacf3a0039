"""Trims streams: up to the last entry that every group has acknowledged, or, if so configured, to a length (R13)."""

from datetime import timedelta

import redis

from publisher.streams.scripts import script
from publisher.streams.servers.connection import translated

_TRIM = script("trim")
# A millisecond or two of the server's time.
_LIMIT = 10_000


def trim_acknowledged(client: redis.Redis, stream: str, group: str | None, keep: timedelta) -> int:
    """Removes the oldest entries that every group of the stream has acknowledged and that are older than `keep`.

    group: the group without which nothing is removed, or None if any group will do.

    Nothing is removed while any group has read nothing. The last delivered entry always stays, and so may a node's
    worth of entries (100 by default). The script looks and trims in one step, so no delivery comes between. A group
    that is created later starts with the entries that are left.

    The age of an entry is read from its id: a producer that makes ids of its own may change
    that.
    Returns how many entries were removed; 0 means that there is nothing more to remove.
    Raises RedisUnavailable or RedisRefused.
    """
    with translated():
        removed: int = client.register_script(_TRIM)(
            keys=[stream], args=[group or "", round(keep.total_seconds() * 1000), _LIMIT]
        )
    return removed


def trim_to_length(client: redis.Redis, stream: str, length: int) -> int:
    """Removes the oldest entries of a stream that is longer than `length`, read or not.

    Up to a node's worth of entries more than `length` may stay. Returns how many entries were removed; 0 means that
    there is nothing more to remove. Raises RedisUnavailable or RedisRefused.
    """
    with translated():
        removed: int = client.execute_command("XTRIM", stream, "MAXLEN", "~", length, "LIMIT", _LIMIT)
    return removed
