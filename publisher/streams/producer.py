"""Adds intents to their stream, as any producer does, and delivery events to theirs, as any consumer does."""

from collections.abc import Mapping, Sequence

import redis

from publisher.streams.connection import translated


def add_intents(client: redis.Redis, stream: str, intents: Sequence[Mapping[str, str]]) -> list[str]:
    """Adds these intents in one round trip. Returns their entry ids, in order.

    After RedisUnavailable some may stand on the stream. Adding all again is harmless: an intent is accepted once per
    producer and idempotency_key (R18).
    """
    return _add(client, stream, intents)


def add_events(client: redis.Redis, stream: str, events: Sequence[Mapping[str, str]]) -> list[str]:
    """Adds these delivery events in one round trip. Returns their entry ids, in order.

    After RedisUnavailable some may stand on the stream. Adding all again is harmless: an event is recorded once per
    source and event_id (R32).
    """
    return _add(client, stream, events)


def _add(client: redis.Redis, stream: str, entries: Sequence[Mapping[str, str]]) -> list[str]:
    with translated(), client.pipeline(transaction=False) as pipe:
        for fields in entries:
            # No MAXLEN here: it would cut entries that no one has read.
            pipe.xadd(stream, dict(fields))  # type: ignore[arg-type]  # redis-py's own invariance
        return [entry_id.decode() for entry_id in pipe.execute()]
