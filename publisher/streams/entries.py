"""Reads one entry id on several streams: two streams may each have an entry of one id."""

from collections.abc import Mapping, Sequence

import redis

from publisher.streams.servers.connection import translated

Fields = Mapping[bytes, bytes]


def entries_at(client: redis.Redis, streams: Sequence[str], entry_id: str) -> Mapping[str, Fields]:
    """Returns the fields of the entries of this id, by stream, in one round trip. A stream without one is left out.

    Of a field that is given more than once the last value is kept. Raises RedisUnavailable or RedisRefused.
    """
    with translated(), client.pipeline(transaction=False) as pipe:
        for stream in streams:
            pipe.xrange(stream, entry_id, entry_id)
        found = pipe.execute()
    return {stream: entries[0][1] for stream, entries in zip(streams, found, strict=True) if entries}
