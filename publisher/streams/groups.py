"""Who reads a stream, and how far: the state of a consumer group, its lag, and how one entry stands with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import redis

from publisher.domain.entry_ids import place, sent_at
from publisher.domain.errors import RedisRefused
from publisher.streams.connection import translated
from publisher.streams.consumer_group import Entry, entry_of, reply_raw


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a consumer group is with one entry of its stream.

    is_read: whether the group has delivered the entry to any consumer.
    consumer: the consumer that has read the entry and not acknowledged it, or None.
    idle: time since the entry was last delivered.
    deliveries: how often the entry was delivered.
    """

    is_read: bool
    consumer: str | None = None
    idle: timedelta = timedelta(0)
    deliveries: int = 0

    @property
    def is_acknowledged(self) -> bool:
        """True if a consumer has read the entry and acknowledged it."""
        return self.is_read and self.consumer is None


def find_entry(client: redis.Redis, stream: str, group: str, entry_id: str) -> tuple[Entry, Standing] | None:
    """Finds an entry by its id, and how the group stands with it; None if the entry is not on the stream.

    Changes nothing. Takes a client of its own, as ConsumerGroup does. The three replies are no snapshot: an entry that
    is read meanwhile may be reported as unread. An acknowledged intent was committed before (R20).
    Raises RedisUnavailable or RedisRefused.
    """
    reply_raw(client, "XRANGE", "XPENDING", "XINFO GROUPS")
    with translated():
        found = client.execute_command("XRANGE", stream, entry_id, entry_id)
        if not found:
            return None
        groups = [dict(zip(g[::2], g[1::2], strict=True)) for g in client.execute_command("XINFO GROUPS", stream)]
        delivered = next((g[b"last-delivered-id"].decode() for g in groups if g[b"name"] == group.encode()), None)
        if delivered is None or place(delivered) < place(entry_id):
            return entry_of(found[0], 0), Standing(is_read=False)
        held = client.execute_command("XPENDING", stream, group, entry_id, entry_id, 1)
    if not held:
        return entry_of(found[0], 0), Standing(is_read=True)
    [(_, consumer, idle, deliveries)] = held
    name = consumer.decode(errors="replace")
    return entry_of(found[0], deliveries), Standing(True, name, timedelta(milliseconds=idle), deliveries)


@dataclass(frozen=True, slots=True)
class GroupState:
    """How much a consumer group has to do.

    lag: entries that no consumer has read, or None if the server cannot tell.
    pending: entries that were read and not acknowledged.
    consumers: how many consumers the group has.
    oldest_at: when the first entry that is not acknowledged was sent, by Redis' clock, or None if there is none.
    """

    lag: int | None = 0
    pending: int = 0
    consumers: int = 0
    oldest_at: datetime | None = None


def group_state(client: redis.Redis, stream: str, group: str) -> GroupState:
    """Reads the state of the group. Without a stream all is zero; without the group every entry is its lag.

    Raises RedisUnavailable or RedisRefused.
    """
    try:
        with translated():
            groups = client.xinfo_groups(stream)
    except RedisRefused as error:
        if "no such key" not in str(error):
            raise
        return GroupState()
    for found in groups:
        if found["name"] == group.encode():
            waiting = unread(client, stream, found)
            with translated():
                pending = client.xpending(stream, group)["min"] if found["pending"] else None
            return GroupState(waiting.count, found["pending"], found["consumers"], _oldest(waiting.first, pending))
    with translated(), client.pipeline(transaction=False) as pipe:
        pipe.xlen(stream)
        pipe.xrange(stream, count=1)
        length, first = pipe.execute()
    return GroupState(lag=length, oldest_at=_oldest(*(id_ for id_, _ in first)))


def _oldest(*entry_ids: bytes | None) -> datetime | None:
    return min((sent_at(id_.decode()) for id_ in entry_ids if id_), default=None)


@dataclass(frozen=True, slots=True)
class Unread:
    """The entries of a stream that no consumer of a group has read.

    count: how many, or None if the server cannot tell.
    first: the id of the first one, or None if there is none.
    """

    count: int | None
    first: bytes | None


def unread(client: redis.Redis, stream: str, group: Mapping[str, Any]) -> Unread:
    """Counts the entries behind the group's last delivered one.

    group: the group as XINFO GROUPS describes it. Redis reports a `lag` of its own, which on Redis 7.0 is too large
    after unread entries were trimmed. So the result is never more than the stream's length, and 0 if nothing stands
    behind the last delivered entry. Raises RedisUnavailable or RedisRefused.
    """
    delivered = group["last-delivered-id"].decode()
    with translated(), client.pipeline(transaction=False) as pipe:
        pipe.xrange(stream, min=f"({delivered}", count=1)
        pipe.xrange(stream, count=1)
        pipe.xlen(stream)
        behind, first, length = pipe.execute()
    if not behind:
        return Unread(0, None)
    # Nothing that was delivered is left: the whole stream is unread.
    if first and first[0][0] == behind[0][0]:
        return Unread(length, behind[0][0])
    lag = group.get("lag")
    return Unread(None if lag is None else min(lag, length), behind[0][0])
