"""The place of a due route before its channel's rate limit: how many were due before it, how long they take (R30)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from publisher.domain.lanes import Lane
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
    before: how many open routes of its lane, or of a more urgent one, were due before it.
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
    lanes = [lane.value for lane in Lane]
    before = due_before(database, route.channel, route.id, lanes[: lanes.index(route.lane) + 1], bound=_BOUND)
    by = known.by if known.origin is LimitOrigin.OPERATOR else None
    return LimitedQueue(route.channel, known.limit, by, before, before >= _BOUND)


def waits(queue: LimitedQueue) -> str:
    """Says for what the route waits, and how many others were due before it in its lane or a more urgent one."""
    by = "by its settings" if queue.by is None else f"set by {queue.by}"
    if not queue.before:
        return f"The rate limit of {queue.channel} is {queue.limit}, {by}: no route goes before it."
    many = "1 route goes" if queue.before == 1 else f"{_number(queue)} routes go"
    return f"It waits for the rate limit of {queue.channel}, {queue.limit}, {by}: {many} before it."


def lasts(queue: LimitedQueue, attempt: str) -> str:
    """Says when the route's turn comes. attempt: names the attempt that follows."""
    if not queue.before:
        every = span(between(queue))
        return f"A worker takes it once the limit lets a command through, one every {every}: {attempt}."
    at_least = "at least " if queue.is_bound else ""
    takes = span(timedelta(seconds=queue.before / queue.limit.per_second))
    return f"A worker takes it within the limit: {attempt}. Those before it take {at_least}{takes} at this rate."


def between(queue: LimitedQueue) -> timedelta:
    """Returns the time between two commands at the rate of the limit."""
    return timedelta(seconds=1 / queue.limit.per_second)


def _number(queue: LimitedQueue) -> str:
    return f"{'at least ' if queue.is_bound else ''}{queue.before:,}"
