"""Counting what a consumer group has not read, where the server cannot tell (R13).

Since Redis 7 a server knows each group's lag, but not after XDEL, nor of a group made in the middle of the stream. The
append script needs it in every call, too often to count: it is counted apart, in pages, and kept for a while.
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
    """Counts what each group has not read whose lag the server does not know, and keeps it for the append script.

    at_most: nothing beyond this many is counted, and a shorter stream not at all. fresh_for: how long it is kept.
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
