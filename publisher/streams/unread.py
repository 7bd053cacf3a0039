"""Counts the unread entries of consumer groups whose lag the server does not know (R13).

Since Redis 7 a server knows the lag of a group, but not after XDEL, nor if the group was created in the middle of the
stream. The append script needs the lag in every call, too often to count. So a worker counts in pages, and keeps the
counts in Redis for a while.
"""

from datetime import timedelta

import redis

from publisher.streams.connection import translated
from publisher.streams.keys import counted_key
from publisher.streams.scripts import script

_COUNT = script("count_page")
# A millisecond or two of the server's time.
_PAGE = 1_000


def note_unread(client: redis.Redis, stream: str, *, at_most: int, fresh_for: timedelta) -> None:
    """Counts the unread entries of each group whose lag the server does not know, for the append script.

    at_most: counting stops here; a shorter stream is not counted at all.
    fresh_for: how long the counts are kept.
    Raises RedisUnavailable or RedisRefused.
    """
    key = counted_key(stream)
    with translated():
        if client.xlen(stream) < at_most:
            return
        unknown = [group for group in client.xinfo_groups(stream) if group.get("lag") is None]
        counted = {g["name"]: _count(client, stream, g["last-delivered-id"], at_most) for g in unknown}
        with client.pipeline(transaction=True) as pipe:
            pipe.delete(key)
            if counted:
                pipe.hset(key, mapping=counted)
                pipe.pexpire(key, fresh_for)
            pipe.execute()


def _count(client: redis.Redis, stream: str, after: bytes, at_most: int) -> int:
    script, count, page = client.register_script(_COUNT), 0, _PAGE
    while page == _PAGE and count < at_most:
        page, after = script(keys=[stream], args=[after, _PAGE])
        count += page
    return count
