"""The timeline of a route: its failed attempts, equal ones in a row together, its dead letters and its command."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from publisher.domain.attempt import LEASE_EXPIRED
from publisher.domain.instants import readable
from publisher.domain.notification import RouteStatus
from storage.dead_letters import DeadLetterRecord
from storage.outcomes.failures import FailureRecord
from storage.routes import RouteRecord


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to a route. what: a few words without a full stop."""

    at: datetime
    what: str


def timeline(
    route: RouteRecord,
    stream: str | None,
    failures: Iterable[FailureRecord],
    dead_letters: Iterable[DeadLetterRecord],
) -> Sequence[Step]:
    """Returns every step on record, in the order in which they happened.

    stream: where the channel publishes now, or None if it is not installed. Steps that are not kept are missing.
    """
    # The number orders steps of one instant: a failure comes before the dead letter that it made.
    steps: list[tuple[datetime, int, str]] = [(row[0].failed_at, 1, _failed(row)) for row in _rows(failures)]
    for letter in dead_letters:
        steps.append((letter.dead_lettered_at, 2, "given up: a dead letter"))
        if letter.requeued_at is not None:
            steps.append((letter.requeued_at, 3, f"taken back by {letter.requeued_by}"))
        if letter.discarded_at is not None:
            steps.append((letter.discarded_at, 3, f"discarded by {letter.discarded_by}"))
    if route.status is RouteStatus.SKIPPED:
        steps.append((route.created_at, 0, f"skipped: no address for {route.channel}"))
    else:
        steps.append((route.created_at, 0, "accepted"))
    if route.published_at is not None:
        entry = route.stream_entry_id or "an entry that was not recorded"
        where = route.stream or stream or f"stream of {route.channel}"
        steps.append((route.published_at, 4, f"published: {where} {entry}"))
    if route.cancel_requested_at is not None and route.cancel_requested_at != route.updated_at:
        steps.append((route.cancel_requested_at, 3, f"to be cancelled, by {route.cancelled_by}"))
    if route.status is RouteStatus.CANCELLED:
        steps.append((route.updated_at, 4, f"cancelled by {route.cancelled_by}"))
    if route.status is RouteStatus.EXPIRED:
        steps.append((route.updated_at, 4, "expired"))
    return [Step(at, what) for at, _, what in sorted(steps)]


def _rows(failures: Iterable[FailureRecord]) -> Iterator[list[FailureRecord]]:
    """Yields equal failures of attempts that follow each other. A requeued route begins with attempt 1 again."""
    row: list[FailureRecord] = []
    for failure in sorted(failures, key=lambda failure: (failure.failed_at, failure.attempt_number)):
        if row and _next(row[-1]) != (failure.attempt_number, failure.classification, failure.message):
            yield row
            row = []
        row.append(failure)
    if row:
        yield row


def _next(failure: FailureRecord) -> tuple[int, str, str]:
    return failure.attempt_number + 1, failure.classification, failure.message


def _failed(row: Sequence[FailureRecord]) -> str:
    first, last = row[0], row[-1]
    reason = f"{first.classification}: {first.message}" if first.message else first.classification
    if first.classification == LEASE_EXPIRED:
        return f"no attempt: {reason}"
    if first is last:
        return f"attempt {first.attempt_number} failed: {reason}"
    numbers = f"attempts {first.attempt_number} to {last.attempt_number}"
    return f"{numbers} failed, the last at {readable(last.failed_at)}: {reason}"
