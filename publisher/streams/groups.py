"""How many entries of a stream its consumer group was not given yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis

from publisher.streams.connection import translated


@dataclass(frozen=True, slots=True)
class Unread:
    """count: how many; None where the server cannot tell. first: the id of the first of them; None if there is none."""

    count: int | None
    first: bytes | None


def unread(client: redis.Redis, stream: str, group: Mapping[str, Any]) -> Unread:
    """What stands on the stream behind the group's last delivered entry. group: as XINFO GROUPS describes it.

    Redis' own `lag` is what it believes was added and not read. It is not believed where nothing stands behind that
    entry, or less than that: Redis 7.0 goes on counting what was trimmed away unread.
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
