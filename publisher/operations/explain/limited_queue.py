"""The place of a due route before its channel's rate limit: how many were due before it, how long they take (R30)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from publisher.domain.lanes import Lane
from publisher.domain.rate_limit import RateLimit
from publisher.operations.channels.limits import ChannelLimit, LimitOrigin
from publisher.operations.wording import span
from storage.database import Database
from storage.limits import due_before, limit_is_shared
from storage.routes import RouteRecord

# Counted in some milliseconds.
_BOUND = 10_000


@dataclass(frozen=True, slots=True)
class LimitedQueue:
    """What stands before a due route of a channel with a rate limit.

    by: who set the limit. None: the settings.
    before: how many open routes of its lane, or of a more urgent one, were due before it.
    is_bound: whether there may be more.
    is_shared: whether routes of several lanes, producers or types wait: then each gets its share, and not its turn.
    """

    channel: str
    limit: RateLimit
    by: str | None
    before: int
    is_bound: bool = False
    is_shared: bool = False

    @property
    def lasts(self) -> timedelta:
        """How long those that were due before it take at the rate of the limit."""
        return self.limit.takes(self.before)


def limited_queue(database: Database, limits: Mapping[str, ChannelLimit], route: RouteRecord) -> LimitedQueue | None:
    """Returns what stands before the route. None if its channel has no limit, or if the route is not due."""
    known = limits.get(route.channel)
    due_at = route.next_attempt_at
    if known is None or known.limit is None or due_at is None or due_at > route.read_at:
        return None
    lanes = [lane.value for lane in Lane]
    before = due_before(database, route.channel, route.id, lanes[: lanes.index(route.lane) + 1], bound=_BOUND)
    by = known.by if known.origin is LimitOrigin.OPERATOR else None
    is_shared = limit_is_shared(database, route.channel)
    return LimitedQueue(route.channel, known.limit, by, before, before >= _BOUND, is_shared)


def waits(queue: LimitedQueue) -> str:
    """Says for what the route waits, and how many others were due before it in its lane or a more urgent one."""
    if not queue.before:
        return f"The rate limit of {queue.channel} is {_limit(queue)}: {_due_before(queue)}."
    return f"It waits for the rate limit of {queue.channel}, {_limit(queue)}: {_due_before(queue)}."


def afterwards(queue: LimitedQueue) -> str:
    """Says of a route that something else keeps that the limit counts after that."""
    return f"After that the rate limit of {queue.channel} counts, {_limit(queue)}: {_due_before(queue)}."


def lasts(queue: LimitedQueue, attempt: str) -> tuple[str, ...]:
    """Says what is known of the route's turn. attempt: names the attempt that follows."""
    shared = ("Lanes and fair shares may bring it sooner or later.",) if queue.is_shared else ()
    if not queue.before:
        every = span(queue.limit.takes(1))
        return (f"A worker takes it once the limit lets a command through, one every {every}: {attempt}.", *shared)
    takes = f"{'at least' if queue.is_bound else 'about'} {span(queue.lasts)}"
    return (f"A worker takes it within the limit: {attempt}. Those before it take {takes} at this rate.", *shared)


def _limit(queue: LimitedQueue) -> str:
    return f"{queue.limit}, {'by its settings' if queue.by is None else f'set by {queue.by}'}"


def _due_before(queue: LimitedQueue) -> str:
    many = f"{'at least ' if queue.is_bound else ''}{queue.before:,}" if queue.before else "no"
    one = queue.before <= 1
    return f"{many} route{'' if one else 's'} of its lane or a more urgent one {'was' if one else 'were'} due before it"


def queue_fields(queue: LimitedQueue | None) -> dict[str, object] | None:
    """The fields of such a place, by the names that --json prints. None: the route has none."""
    if queue is None:
        return None
    return {
        "per_second": queue.limit.per_second,
        "burst": queue.limit.burst,
        "set_by": queue.by,
        "due_before": queue.before,
        "at_least": queue.is_bound,
        "seconds": round(queue.lasts.total_seconds(), 3),
        "is_shared": queue.is_shared,
    }
