"""The place of a due route before its channel's rate limit: how many were due before it, how long they take (R30)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from publisher.domain.rate_limit import RateLimit
from publisher.operations.channel_limits import ChannelLimit, LimitOrigin
from publisher.operations.wording import span
from storage.database import Database
from storage.limits import due_before
from storage.routes import RouteRecord

# Counted in some milliseconds.
_BOUND = 10_000


@dataclass(frozen=True, slots=True)
class LimitedQueue:
    """What stands before a due route of a channel with a rate limit.

    by: who set the limit. None: the settings.
    before: how many open routes were due before it.
    is_bound: whether there may be more.
    """

    channel: str
    limit: RateLimit
    by: str | None
    before: int
    is_bound: bool = False


def limited_queue(database: Database, limits: Mapping[str, ChannelLimit], route: RouteRecord) -> LimitedQueue | None:
    """Returns what stands before the route. None if its channel has no limit, or if the route is not due."""
    known = limits.get(route.channel)
    due_at = route.next_attempt_at
    if known is None or known.limit is None or due_at is None or due_at > route.read_at:
        return None
    before = due_before(database, route.channel, route.id, bound=_BOUND)
    by = known.by if known.origin is LimitOrigin.OPERATOR else None
    return LimitedQueue(route.channel, known.limit, by, before, before >= _BOUND)


def waits(queue: LimitedQueue) -> str:
    """Says for what the route waits."""
    by = "by its settings" if queue.by is None else f"set by {queue.by}"
    many = "1 route of the channel was" if queue.before == 1 else f"{_number(queue)} routes of the channel were"
    return f"It waits for the rate limit of {queue.channel}, {queue.limit}, {by}: {many} due before it."


def lasts(queue: LimitedQueue, attempt: str) -> str:
    """Says when the route's turn comes. attempt: names the attempt that follows."""
    at_least = "at least " if queue.is_bound else ""
    takes = span(timedelta(seconds=queue.before / queue.limit.per_second))
    return f"A worker takes it within the limit: {attempt}. Those before it take {at_least}{takes} at this rate."


def _number(queue: LimitedQueue) -> str:
    return f"{'at least ' if queue.is_bound else ''}{queue.before:,}"
