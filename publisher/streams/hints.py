"""Reads the hints on the Redis of REDIS_URL: the lengths of Dramatiq's queues, and what was found to be given up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import redis

from publisher.streams.given_up import GivenUp, found_lately
from publisher.streams.keys import GIVEN_UP, queue_key
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


@dataclass(frozen=True, slots=True)
class Hints:
    """What this Redis tells.

    queues: by name.
    given_up: the streams that were given up and on which entries wait; None: nobody has looked lately.
    """

    queues: Mapping[str, QueueState]
    given_up: Sequence[GivenUp] | None


def read_hints(client: redis.Redis, names: Sequence[str]) -> Hints:
    """Reads the state of each queue, and the last look at what was given up. One round trip.

    Raises RedisUnavailable or RedisRefused.
    """
    with translated(), client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.llen(queue_key(name))
            pipe.llen(f"{queue_key(name)}.DQ")
            pipe.zcard(f"{queue_key(name)}.XQ")
        pipe.get(GIVEN_UP)
        *counts, kept = pipe.execute()
    return Hints({name: QueueState(*counts[3 * n : 3 * n + 3]) for n, name in enumerate(names)}, found_lately(kept))
