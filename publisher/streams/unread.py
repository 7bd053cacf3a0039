"""Counts the unread entries of consumer groups whose lag the server does not know (R13, R27).

Since Redis 7 a server knows the lag of a group, but not after XDEL, nor if the group was created in the middle of the
stream. The append script needs the lag in every call, too often to count. So a worker counts in pages, and keeps the
counts in Redis for a while.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import redis

from publisher.domain.entry_ids import place
from publisher.streams.keys import counted_key
from publisher.streams.scripts import script
from publisher.streams.servers.connection import translated

_COUNT = script("count_page")
# A millisecond or two of the server's time.
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Counted:
    """How many entries there are. is_bound: whether there may be more than `count`."""

    count: int
    is_bound: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """Where counting stops.

    at_most: the largest count.
    until: the instant of `time.monotonic` after which no further page is counted; None: however long it takes.
    """

    at_most: int
    until: float | None = None

    @staticmethod
    def of(at_most: int, patience: timedelta) -> "Limit":
        """Returns the limit of counts that begin now and may take so long together."""
        return Limit(at_most, time.monotonic() + patience.total_seconds())


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
        counts = count_behind(client, stream, (group["last-delivered-id"] for group in unknown), Limit(at_most))
        counted = {group["name"]: counts[group["last-delivered-id"]].count for group in unknown}
        with client.pipeline(transaction=True) as pipe:
            pipe.delete(key)
            if counted:
                pipe.hset(key, mapping=counted)
                pipe.pexpire(key, fresh_for)
            pipe.execute()


def count_behind(client: redis.Redis, stream: str, ids: Iterable[bytes], limit: Limit) -> Mapping[bytes, Counted]:
    """Counts the entries behind each of these ids. They are walked over once, from the greatest id to the least.

    So ten groups cost what the slowest costs. Raises RedisUnavailable or RedisRefused.
    """
    counts: dict[bytes, Counted] = {}
    so_far, up_to = Counted(0), b"+"
    for after in sorted(set(ids), key=_place, reverse=True):
        so_far = counts[after] = _more(client, stream, so_far, after, up_to, limit)
        up_to = after
    return counts


def count_before(
    client: redis.Redis, stream: str, after: bytes, ids: Iterable[bytes], limit: Limit
) -> Mapping[bytes, Counted]:
    """Counts the entries between `after` and each of these ids, neither of the two included, in one walk.

    Raises RedisUnavailable or RedisRefused.
    """
    counts: dict[bytes, Counted] = {}
    so_far = Counted(0)
    for id_ in sorted(set(ids), key=_place):
        so_far = counts[id_] = _more(client, stream, so_far, after, b"(" + id_, limit)
        # The entry itself stands before the next one.
        so_far, after = Counted(min(so_far.count + 1, limit.at_most), so_far.is_bound), id_
    return counts


def _more(client: redis.Redis, stream: str, so_far: Counted, after: bytes, up_to: bytes, limit: Limit) -> Counted:
    """Adds the entries behind `after`, up to `up_to`, page by page. What was a bound stays one, uncounted."""
    script, count = client.register_script(_COUNT), so_far.count
    while not so_far.is_bound:
        wanted = min(_PAGE, limit.at_most - count)
        if wanted == 0 or (limit.until is not None and time.monotonic() > limit.until):
            return Counted(count, is_bound=True)
        with translated():
            page, after = script(keys=[stream], args=[after, up_to, wanted])
        count += page
        if page < wanted:
            return Counted(count)
    return so_far


def _place(id_: bytes) -> tuple[int, int]:
    return place(id_.decode())
