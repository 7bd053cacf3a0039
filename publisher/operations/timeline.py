"""The timeline of a route: its failed attempts, its dead letters and its command."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from publisher.domain.attempt import LEASE_EXPIRED
from publisher.domain.notification import RouteStatus
from storage.dead_letters import DeadLetterRecord
from storage.failures import FailureRecord
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
    steps: list[tuple[datetime, int, str]] = [(f.failed_at, 1, _failed(f)) for f in failures]
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
    if route.status is RouteStatus.EXPIRED:
        steps.append((route.updated_at, 4, "expired"))
    return [Step(at, what) for at, _, what in sorted(steps)]


def _failed(failure: FailureRecord) -> str:
    reason = f"{failure.classification}: {failure.message}" if failure.message else failure.classification
    if failure.classification == LEASE_EXPIRED:
        return f"no attempt: {reason}"
    return f"attempt {failure.attempt_number} failed: {reason}"
