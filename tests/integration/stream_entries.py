"""A stream that intake reads, and its group, as they stand in Redis."""

from collections.abc import Iterable
from typing import Any

import redis

from publisher.streams.consumer_group import Entry
from tests.factories import GROUP, INTENTS, intent_fields
from tests.waiting import wait_until


def send_intents(client: redis.Redis, count: int = 1, **fields: Any) -> list[str]:
    """Adds so many different valid intents with these fields. Returns their entry ids."""
    return [client.xadd(INTENTS, intent_fields(**fields)).decode() for _ in range(count)]


def add_entries(client: redis.Redis, count: int) -> list[str]:
    """Adds so many entries that are no intents. Returns their ids."""
    return [client.xadd(INTENTS, {"n": n}).decode() for n in range(count)]


def ids_of(entries: Iterable[Entry]) -> list[str]:
    """Their ids."""
    return [entry.id for entry in entries]


def pending_ids(client: redis.Redis, stream: str = INTENTS) -> list[str]:
    """The ids of the entries that were read and not acknowledged."""
    return [p["message_id"].decode() for p in client.xpending_range(stream, GROUP, "-", "+", 1000)]


def deliveries(client: redis.Redis) -> list[int]:
    """How often each entry that was read and not acknowledged was delivered, by entry id."""
    return [p["times_delivered"] for p in client.xpending_range(INTENTS, GROUP, "-", "+", 1000)]


def consumers(client: redis.Redis, stream: str = INTENTS) -> set[str]:
    """The names of the group's consumers."""
    return {c["name"].decode() for c in client.xinfo_consumers(stream, GROUP)}


def wait_until_read(client: redis.Redis, stream: str = INTENTS) -> None:
    """Returns once every entry of the stream is read and acknowledged."""
    wait_until(lambda: _is_read(client, stream), describe=lambda: client.xinfo_groups(stream))


def _is_read(client: redis.Redis, stream: str) -> bool:
    if not client.exists(stream):
        return False
    [newest] = client.xrevrange(stream, count=1) or [(None, None)]
    return any(
        group["name"].decode() == GROUP and group["pending"] == 0 and group["last-delivered-id"] == newest[0]
        for group in client.xinfo_groups(stream)
    )
