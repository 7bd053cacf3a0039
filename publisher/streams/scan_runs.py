"""Scans that an operator asked for and waits for: the counts of each run, kept in Redis for an hour.

A hint: if Redis loses a run, its operator gets no answer, and the routes are published all the same.
"""

from dataclasses import dataclass
from datetime import timedelta

import redis

from publisher.streams.keys import scan_run_key
from publisher.streams.servers.connection import translated

_KEPT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class RunState:
    """The counts of a run.

    open: messages of the run that are not done.
    published, rescheduled, dead_lettered: routes.
    """

    open: int
    published: int
    rescheduled: int
    dead_lettered: int


def begin(client: redis.Redis, run: str) -> None:
    """Counts one more message of this run. Raises RedisUnavailable or RedisRefused."""
    _count(client, run, open=1)


def finish(client: redis.Redis, run: str, *, published: int, rescheduled: int, dead_lettered: int) -> None:
    """Counts one message of this run as done, and its routes. Raises RedisUnavailable or RedisRefused."""
    _count(client, run, open=-1, published=published, rescheduled=rescheduled, dead_lettered=dead_lettered)


def state(client: redis.Redis, run: str) -> RunState:
    """Reads the counts of the run; all zero if it is unknown. Raises RedisUnavailable or RedisRefused."""
    with translated():
        fields = client.hgetall(scan_run_key(run))
    return RunState(*(int(fields.get(name.encode(), 0)) for name in RunState.__dataclass_fields__))


def _count(client: redis.Redis, run: str, **counts: int) -> None:
    key = scan_run_key(run)
    with translated(), client.pipeline(transaction=True) as pipe:
        for name, count in counts.items():
            pipe.hincrby(key, name, count)
        pipe.expire(key, _KEPT)
        pipe.execute()
