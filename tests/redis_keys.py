"""Finds keys in Redis that publisher.streams.keys does not list, or that never expire though they should."""

import redis

from publisher.streams.keys import key_of
from tests.factories import CHANNELS, INTENTS

# Tests put other types where these streams stand, to see them refused.
_STREAMS = {INTENTS, *(channel.stream for channel in CHANNELS.values())}


def undocumented_keys(client: redis.Redis) -> list[str]:
    """Compares every key of this database with the list. Returns a line for each that differs from its entry."""
    names = list(client.scan_iter(count=5000))
    with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.type(name)
            pipe.pttl(name)
        replies = pipe.execute()
    lines = map(_fault, names, replies[::2], replies[1::2])
    return sorted(line for line in lines if line is not None)


def _fault(name: bytes, type_: bytes, milliseconds: int) -> str | None:
    text, kind = name.decode(errors="replace"), type_.decode()
    key = key_of(text)
    if kind == "none":
        # It expired since the scan.
        return None
    if key is None:
        return f"{text}: no entry in publisher.streams.keys"
    if kind not in key.types and text not in _STREAMS:
        return f"{text}: is a {kind}, and its entry {key.shape} says {' or '.join(sorted(key.types))}"
    if key.expires is not None and milliseconds == -1:
        return f"{text}: has no TTL, and its entry {key.shape} promises {key.expires}"
    return None
