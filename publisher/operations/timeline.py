"""What happened to a route, step by step: its failed attempts, its dead letters, its command."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from publisher.domain.attempt import LEASE_EXPIRED
from publisher.domain.notification import RouteStatus
from storage.routes import RouteRecord


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """A line of the failure history."""

    at: datetime
    number: int
    classification: str
    message: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A dead letter, and who took it back, if anyone did."""

    at: datetime
    requeued_at: datetime | None
    requeued_by: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to a route."""

    at: datetime
    what: str


def journey(
    route: RouteRecord, stream: str | None, failures: Iterable[FailedAttempt], dead_letters: Iterable[GivenUp]
) -> list[Step]:
    """Every step that is known, in the order in which they happened. stream: where the channel publishes, if known."""
    # Of things at one instant a failure comes before the dead letter that it made.
    told: list[tuple[datetime, int, str]] = [(f.at, 1, _failed(f)) for f in failures]
    for letter in dead_letters:
        told.append((letter.at, 2, "given up: a dead letter"))
        if letter.requeued_at is not None:
            told.append((letter.requeued_at, 3, f"taken back by {letter.requeued_by}"))
    if route.status is RouteStatus.SKIPPED:
        told.append((route.created_at, 0, f"skipped: no address for {route.channel}"))
    else:
        told.append((route.created_at, 0, "accepted"))
    if route.published_at is not None:
        entry = route.stream_entry_id or "an entry that was not recorded"
        where = route.stream or stream or f"stream of {route.channel}"
        told.append((route.published_at, 4, f"published: {where} {entry}"))
    if route.status is RouteStatus.EXPIRED:
        told.append((route.updated_at, 4, "expired"))
    return [Step(at, what) for at, _, what in sorted(told)]


def _failed(failure: FailedAttempt) -> str:
    reason = f"{failure.classification}: {failure.message}" if failure.message else failure.classification
    if failure.classification == LEASE_EXPIRED:
        return f"no attempt: {reason}"
    return f"attempt {failure.number} failed: {reason}"
