"""Dramatiq's queues after a worker's death: its messages come back. Never by searching through Redis's keys."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import redis

from publisher.streams.connection import translated
from publisher.streams.scripts import script

_SCRIPT = script("dead_workers")
# A millisecond or two of the server's time, however much the dead have left.
_MOST = 1000


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What one call did. messages: how many are back in their queues. more: whether there may be more to do."""

    messages: int
    more: bool


def give_back(
    client: redis.Redis,
    namespace: str,
    queues: Iterable[str],
    now_ms: int,
    *,
    silent_for: timedelta,
    dead_letters_kept: timedelta,
) -> GivenBack:
    """Puts messages back that workers fetched and never acknowledged, if these were silent for so long.

    Drops Dramatiq's dead letters that are older than they are kept. Of both a bounded number: the call takes Redis a
    few milliseconds. queues: those this process knows, by their names without `.DQ`; those that other processes have
    ever named here are looked after as well. now_ms: Unix milliseconds by this process's clock, as Dramatiq counts.
    Raises RedisUnavailable or RedisRefused.
    """
    with translated():
        messages, more = client.register_script(_SCRIPT)(
            keys=[namespace],
            args=[
                now_ms - round(silent_for.total_seconds() * 1000),
                now_ms - round(dead_letters_kept.total_seconds() * 1000),
                _MOST,
                *queues,
            ],
        )
    return GivenBack(messages, bool(more))
