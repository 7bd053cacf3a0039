"""Decides of which channels intake hands new routes over to the workers, and under which lease: a handover.

`storage.claiming.handover` says what it is in PostgreSQL.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

from publisher.domain.channel import Channel
from storage.claiming.handover import Handover

# Where more messages wait, those that follow would be read when little of the lease is left. A worker needs some tens
# of milliseconds for a message of 500 routes.
_LONG_QUEUE = 20


class HandingOver:
    """Makes the handover of each transaction. Safe to share between threads.

    lasts: how long its lease lasts; 0: nothing is handed over.
    waiting: returns how many messages waited in a channel's queue when the last one was put there.
    """

    def __init__(self, channels: Mapping[str, Channel], lasts: timedelta, waiting: Callable[[str], int]) -> None:
        self._channels = channels
        self._lasts = lasts
        self._waiting = waiting

    def __call__(self) -> Handover | None:
        """Returns the handover of the next transaction: of the channels whose queue is short. None: of no channel.

        Routes of a channel with a rate limit wait for their turn, and are claimed (R30).
        """
        chosen = {
            channel.name: channel.address
            for channel in self._channels.values()
            if channel.rate is None and self._waiting(channel.name) <= _LONG_QUEUE
        }
        return Handover(chosen, self._lasts) if self._lasts and chosen else None
