"""Finds what was read of a stream and not acknowledged, in the order in which a consumer takes it up again."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from publisher.domain.rejection import Rejection, RejectionCode
from publisher.streams.consumer_group import ConsumerGroup, Entry, Recovered

_DELIVERY_LIMIT = 5


def left_behind(group: ConsumerGroup, count: int, idle: timedelta, goes_on: Callable[[], bool]) -> Iterator[Recovered]:
    """Yields entries that this consumer has read and not acknowledged, then those that dead consumers have left.

    count: at most so many of its own at a time.
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
        # One at a time: taking an entry over counts a delivery, and only the one at work may deserve it.
        recovered = group.recover_others(1, idle)
        yield recovered
        more = recovered.more


def isolated(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Splits entries into batches. One that was delivered before is alone: if it kills its reader, it does so alone."""
    fresh = [entry for entry in entries if entry.deliveries <= 1]
    if fresh:
        yield fresh
    for entry in entries:
        if entry.deliveries > 1:
            yield [entry]


def poison(entry: Entry) -> Rejection | None:
    """Returns the verdict on an entry that was delivered more than five times, which may kill its reader, or None."""
    if entry.deliveries <= _DELIVERY_LIMIT:
        return None
    message = f"given to a consumer {entry.deliveries} times and never acknowledged: it may kill its reader"
    return Rejection(RejectionCode.POISON, message)
