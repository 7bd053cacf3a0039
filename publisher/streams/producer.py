"""Adds intents to their stream, as any producer does, and delivery events to theirs, as any consumer does."""

from collections.abc import Mapping, Sequence

from publisher.domain.stream_address import StreamAddress
from publisher.streams.servers.connection import translated
from publisher.streams.servers.stream_servers import StreamServers


def add_intents(servers: StreamServers, intents: StreamAddress, entries: Sequence[Mapping[str, str]]) -> list[str]:
    """Adds these intents, each to the partition of its idempotency key. Returns their entry ids, in order.

    One round trip for each partition. After RedisUnavailable some may stand on the stream. Adding all again is
    harmless: an intent is accepted once per producer and idempotency_key (R18).
    """
    keys = ("idempotency_key", "cancels")
    at: dict[str, list[int]] = {}
    for place, fields in enumerate(entries):
        key = next((fields[name] for name in keys if name in fields), "")
        at.setdefault(intents.part(key).stream, []).append(place)
    ids = [""] * len(entries)
    for stream, places in at.items():
        for place, id_ in zip(places, _add(servers, stream, [entries[n] for n in places]), strict=True):
            ids[place] = id_
    return ids


def add_events(servers: StreamServers, stream: str, entries: Sequence[Mapping[str, str]]) -> list[str]:
    """Adds these delivery events in one round trip. Returns their entry ids, in order.

    After RedisUnavailable some may stand on the stream. Adding all again is harmless: an event is recorded once per
    source and event_id (R32).
    """
    return _add(servers, stream, entries) if entries else []


def _add(servers: StreamServers, stream: str, entries: Sequence[Mapping[str, str]]) -> list[str]:
    client = servers.of(stream)
    with translated(), client.pipeline(transaction=False) as pipe:
        for fields in entries:
            # No MAXLEN here: it would cut entries that no one has read.
            pipe.xadd(stream, dict(fields))  # type: ignore[arg-type]  # redis-py's own invariance
        return [entry_id.decode() for entry_id in pipe.execute()]
