"""Finds what was read of a stream and not acknowledged, in the order in which a consumer takes it up again."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import groupby

from publisher.domain.isolation import at_once
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.streams.consumer_group import ConsumerGroup, Entry, Recovered

_DELIVERY_LIMIT = 5


def left_behind(group: ConsumerGroup, count: int, idle: timedelta, goes_on: Callable[[], bool]) -> Iterator[Recovered]:
    """Yields entries that this consumer has read and not acknowledged, then those that dead consumers have left.

    count: at most so many at a time.
    idle: after which time the entries of another consumer are taken over.
    goes_on: asked before each look; false ends it.
    Raises RedisUnavailable or RedisRefused.
    """
    more = True
    while more and goes_on():
        recovered = group.recover_own(count)
        yield recovered
        more = recovered.more
    more = True
    while more and goes_on():
        recovered = group.recover_others(count, idle)
        yield recovered
        more = recovered.more


def isolated(entries: Sequence[Entry], count: int) -> Iterator[Sequence[Entry]]:
    """Splits entries into batches. The more often they were delivered, the fewer are together (`at_once`).

    count: how many at most.
    """
    for deliveries, found in groupby(sorted(entries, key=_deliveries), key=_deliveries):
        alike, size = list(found), at_once(count, deliveries)
        yield from (alike[start : start + size] for start in range(0, len(alike), size))


def _deliveries(entry: Entry) -> int:
    return entry.deliveries


def poison(entry: Entry) -> Rejection | None:
    """Returns the verdict on an entry that was delivered more than five times, which may kill its reader, or None."""
    if entry.deliveries <= _DELIVERY_LIMIT:
        return None
    message = f"given to a consumer {entry.deliveries} times and never acknowledged: it may kill its reader"
    return Rejection(RejectionCode.POISON, message)
