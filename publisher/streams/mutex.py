"""Turns: work that one process does for all of them. A hint in Redis: with it lost, several do it at once."""

from collections.abc import Callable
from datetime import timedelta

import redis

from publisher.domain.errors import PublisherError
from publisher.streams.connection import translated


def turns(client: redis.Redis, what: str) -> Callable[[str, timedelta], bool]:
    """A function that says whether it is the caller's turn to do this to a channel: then nobody else's for so long.

    While Redis cannot say, it is everybody's.
    """

    def take(channel: str, lasting: timedelta) -> bool:
        try:
            with translated():
                return bool(
                    client.set(
                        f"publisher:{what}:{channel}", 1, px=max(1, round(lasting.total_seconds() * 1000)), nx=True
                    )
                )
        except PublisherError:
            return True

    return take
