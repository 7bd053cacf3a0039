"""Reads how far the intents stream is acknowledged, and keeps a copy of PostgreSQL's mark in Redis.

The mark is an entry id: every intent up to there was committed. Intake writes the copy after PostgreSQL has the same
mark. So a PostgreSQL whose mark is lower than the copy has lost data.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import redis

from publisher.domain.entry_ids import FIRST, before, place
from publisher.streams.keys import mark_key
from publisher.streams.servers.connection import translated

_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class IntentsProgress:
    """How far the intents group has come.

    acknowledged: every entry up to this id is acknowledged, so its intent was committed (R20).
    delivered: the last entry that was delivered to a consumer.
    mark: the copy of the mark in Redis, or None if there is none.
    """

    acknowledged: str
    delivered: str
    mark: str | None


def read_progress(client: redis.Redis, stream: str, group: str) -> IntentsProgress | None:
    """Reads how far the group has come; None if there is no such stream or group.

    The last delivered id is read before the pending entries: an entry delivered in between stands behind both.
    Raises RedisUnavailable or RedisRefused.
    """
    # Sent as plain commands: whatever the client makes of replies elsewhere, here they come as they are.
    with translated(), client.pipeline(transaction=False) as pipe:
        pipe.execute_command("XINFO GROUPS", stream)
        pipe.execute_command("XPENDING", stream, group)
        pipe.get(mark_key(stream))
        groups, pending, mark = pipe.execute(raise_on_error=False)
    for reply in (groups, pending, mark):
        if isinstance(reply, Exception):
            if any(text in str(reply) for text in ("no such key", "NOGROUP")):
                return None
            with translated():
                raise reply
    delivered = next((g["last-delivered-id"] for g in map(_named, groups) if g["name"] == group.encode()), None)
    if delivered is None:
        return None
    last = delivered.decode()
    first_pending = _first(pending)
    acknowledged = last if first_pending is None or place(first_pending) > place(last) else before(first_pending)
    return IntentsProgress(acknowledged, last, None if mark is None else mark.decode())


def last_id(client: redis.Redis, stream: str) -> str:
    """Returns the id of the last entry on the stream; `0-0` if it is empty."""
    with translated():
        found: Any = client.execute_command("XREVRANGE", stream, "+", "-", "COUNT", 1)
    return found[0][0].decode() if found else FIRST


def write_mark(client: redis.Redis, stream: str, entry_id: str) -> None:
    """Writes the copy of PostgreSQL's mark. Raises RedisUnavailable or RedisRefused."""
    with translated():
        client.set(mark_key(stream), entry_id, ex=_KEPT)


def _named(group: Any) -> dict[str, Any]:
    # Parsed by redis-py, or flat where the client was told to reply raw.
    if isinstance(group, dict):
        return group
    return {name.decode(): value for name, value in zip(group[::2], group[1::2], strict=True)}


def _first(pending: Any) -> str | None:
    found = pending["min"] if isinstance(pending, dict) else pending[1]
    return None if found is None else found.decode()
