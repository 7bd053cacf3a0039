"""Reports a batch: logs and counts each recorded outcome (R25, R26), and sums them up for whoever published it."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from publisher.domain.attempt import Cancelled, DeadLettered, Expired, Published, Rescheduled
from publisher.domain.entry_ids import place
from publisher.domain.instants import to_milliseconds
from publisher.process.logs import failure_fields
from publisher.process.telemetry import Telemetry
from publisher.publishing.batch import Batch
from publisher.publishing.tracing import fields_of
from storage.outcomes.recording import Conflict, Recorded

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one batch.

    published: how many routes are on record as published.
    rescheduled: key of each rescheduled route, and the time until it is due again.
    dead_lettered: keys of the routes given up.
    more: others may be due, look again.
    given_back: due routes were not begun, because the process stops or the batch's time is over.
    wait: due routes may wait for the channel's rate limit, which lets some through after this time. None: none do.
    """

    published: int = 0
    rescheduled: Sequence[tuple[int, timedelta]] = ()
    dead_lettered: Sequence[int] = ()
    more: bool = False
    given_back: bool = False
    wait: timedelta | None = None


def report(batch: Batch, telemetry: Telemetry) -> Report:
    """Logs an event for each outcome that is on record, counts it, and sums all up. A conflict counts nowhere (R8)."""
    # Bound once: through the module's proxy each event would be bound anew.
    log, channel = _log.bind(), batch.channel.name
    published: Counter[str] = Counter()
    rescheduled: list[tuple[int, timedelta]] = []
    dead_lettered: list[int] = []
    waits: list[float] = []
    for recording in batch.recordings:
        notification = batch.notifications[recording.outcome.route.id]
        fields = fields_of(batch, recording.outcome.route, recording.outcome)
        kind = notification.notification_type
        match recording:
            case Recorded(Published() as outcome):
                log.info("route published", **fields, stream_entry_id=outcome.entry_id)
                published[kind] += 1
                if not outcome.route.replay:
                    waits.append((place(outcome.entry_id)[0] - to_milliseconds(notification.accepted_at)) / 1000)
            case Recorded(Rescheduled(route, failure, attempts, delay), at):
                failed = failure_fields(route, failure, attempts)
                due = None if at is None else at.isoformat(timespec="milliseconds")
                log.warning("route failed and was rescheduled", **fields, **failed, next_attempt_at=due)
                telemetry.retried(channel, kind, failure.classification)
                rescheduled.append((route.id, delay))
            case Recorded(DeadLettered(route, failure, attempts)):
                log.warning("route dead-lettered", **fields, **failure_fields(route, failure, attempts))
                telemetry.dead_lettered(channel, kind, failure.classification)
                dead_lettered.append(route.id)
            case Recorded(Expired()):
                log.info("route expired", **fields)
                telemetry.expired(channel, kind)
            case Recorded(Cancelled()):
                log.info("route cancelled", **fields)
                telemetry.cancelled(channel, kind)
            case Conflict():
                log.debug("route was moved on by someone else", **fields)
    telemetry.published(channel, published)
    telemetry.commanded(channel, waits)
    _time(
        batch, telemetry, {"published": published.total(), "retry": len(rescheduled), "dead_letter": len(dead_lettered)}
    )
    return Report(
        published.total(),
        rescheduled,
        dead_lettered,
        more=batch.claim.more or batch.is_cut_short,
        given_back=batch.is_cut_short,
        wait=batch.wait,
    )


def _time(batch: Batch, telemetry: Telemetry, outcomes: Mapping[str, int]) -> None:
    took = time.monotonic() - batch.began
    for outcome, count in outcomes.items():
        telemetry.attempted(batch.channel.name, outcome, took, count)
