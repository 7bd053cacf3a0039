"""Gives back the messages of dead Dramatiq workers, without searching through the keys of Redis."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import redis

from publisher.streams.scripts import script
from publisher.streams.servers.connection import translated

_SCRIPT = script("dead_workers")
# A millisecond or two of the server's time.
_MOST = 1000


@dataclass(frozen=True, slots=True)
class GivenBack:
    """The result of one call.

    messages: how many are back in their queues.
    more: whether another call may find more to do.
    """

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
    """Puts messages back into their queues that silent workers fetched and never acknowledged; drops old dead letters.

    One call handles a bounded number, in a few milliseconds of Redis's time.
    queues: names without `.DQ` that this process knows; queues that other processes ever named are handled as well.
    now_ms: Unix milliseconds by this process's clock, as Dramatiq counts.
    silent_for: how long a dead worker has been silent.
    dead_letters_kept: the age from which dead letters are dropped.
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
