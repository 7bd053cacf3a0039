"""Reads how many messages Dramatiq's queues hold."""

from collections.abc import Sequence
from dataclasses import dataclass

import redis

from publisher.streams.keys import queue_key
from publisher.streams.servers.connection import translated


@dataclass(frozen=True, slots=True)
class QueueState:
    """The messages of one queue.

    ready: for the next worker.
    delayed: for a later time.
    dead: Dramatiq's dead letters.
    """

    ready: int = 0
    delayed: int = 0
    dead: int = 0


def queue_states(client: redis.Redis, names: Sequence[str]) -> dict[str, QueueState]:
    """Reads the state of each queue. Raises RedisUnavailable or RedisRefused."""
    with translated(), client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.llen(queue_key(name))
            pipe.llen(f"{queue_key(name)}.DQ")
            pipe.zcard(f"{queue_key(name)}.XQ")
        counts = pipe.execute()
    return {name: QueueState(*counts[3 * n : 3 * n + 3]) for n, name in enumerate(names)}
