"""The explanation of a route as a value, and the phrases that its sentences are made of."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from publisher.domain.instants import readable
from publisher.operations.explain.limited_queue import LimitedQueue
from publisher.operations.remedy.remedy import Sentence
from publisher.operations.wording import span
from storage.holds import HoldRecord
from storage.routes import RouteRecord


class RouteState(StrEnum):
    """What a route is waiting for, or how it ended."""

    WAITING = "waiting"
    DUE = "due"
    LIMITED = "limited"
    LEASED = "leased"
    TOO_LATE = "too_late"
    TO_BE_CANCELLED = "to_be_cancelled"
    UNSERVED = "unserved"
    PAUSED = "paused"
    PARKED = "parked"
    HELD = "held"
    PUBLISHED = "published"
    DEAD_LETTER = "dead_letter"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a route is where it is.

    why: sentences on how it came there.
    next: sentences on what happens next, and what an operator can do.
    next_at: when the next thing happens at the earliest. None: nothing happens by itself.
    holds: those that keep it from being published, the oldest first.
    queue: its place before its channel's rate limit. None: it is not due, in hand, or its channel has no limit.
    """

    state: RouteState
    why: tuple[str, ...]
    next: tuple[Sentence, ...]
    next_at: datetime | None = None
    holds: tuple[HoldRecord, ...] = ()
    queue: LimitedQueue | None = None


def ago(route: RouteRecord, instant: datetime | None) -> str:
    """Words an instant in the past of the route's reading: `2026-03-14 09:26:51.589Z (2 s ago)`."""
    if instant is None:
        return "at a time that was not recorded"
    return f"{readable(instant)} ({span(max(route.read_at - instant, timedelta(0)))} ago)"


def ahead(route: RouteRecord, instant: datetime) -> str:
    """Words an instant after the route's reading: `in 42 s (2026-03-14 09:27:35.589Z)`."""
    return f"in {span(instant - route.read_at)} ({readable(instant)})"


def times(count: int, what: str) -> str:
    """Words a number of things: `1 attempt`, `16 attempts`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def attempt(route: RouteRecord) -> str:
    """Names the attempt that follows: `attempt 3 of 16`."""
    return f"attempt {route.attempt_count + 1} of {route.max_attempts}"


def failure(route: RouteRecord) -> str:
    """Words the route's last failure: its classification, and its message if it has one."""
    message = (route.last_failure_message or "").rstrip(".")
    return f"{route.last_failure_classification}: {message}" if message else str(route.last_failure_classification)


def replays(route: RouteRecord) -> list[str]:
    """Says how often an operator had the route published again; nothing if nobody did."""
    return [f"Its command was replayed {times(route.replay, 'time')}, by an operator."] if route.replay else []
