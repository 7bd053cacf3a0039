"""Records what became of attempts to send mail, and what is answered about them, in one transaction (R33)."""

from collections.abc import Sequence
from datetime import timedelta

from publisher.domain.delivery_event import DeliveryEvent
from publisher.domain.mail_outcome import MailOutcome
from publisher.domain.suppression import suppression_reason
from storage.answers.delivery_events import IncomingEvent, rank_of, record_events
from storage.array_literals import columns
from storage.clock import NOW
from storage.database import Database, fetch
from storage.mail.suppressions import NewSuppression, suppress

# Guarded by the lease: an outcome that comes after another process took the delivery over changes nothing.
_RECORD = f"""/* record_mail */
UPDATE mail_deliveries AS d
SET state = given.state, tries = d.tries + (given.tried AND given.state <> 'sent')::int,
    unsure = d.unsure + given.unsure::int,
    takeovers = CASE WHEN given.tried THEN 0 ELSE d.takeovers END,
    next_attempt_at = CASE given.state WHEN 'waiting' THEN {NOW} + given.wait_ms * interval '1 millisecond' END,
    held_at = CASE given.state WHEN 'held' THEN {NOW} END,
    command = CASE WHEN given.state IN ('waiting', 'held') THEN coalesce(given.command, d.command) END,
    event = CASE WHEN given.state IN ('sent', 'given_up') THEN given.event END,
    ended_at = CASE WHEN given.state IN ('sent', 'given_up') THEN {NOW} END,
    lease_token = NULL, lease_expires_at = NULL
FROM unnest(%s::text[], %s::text[], %s::bool[], %s::bool[], %s::bigint[], %s::json[], %s::text[])
    AS given (delivery_id, state, tried, unsure, wait_ms, command, event)
WHERE d.delivery_id = given.delivery_id AND d.state = 'begun' AND d.lease_token = %s
RETURNING d.delivery_id
"""

# A bounce may have come before the route was published again, which has cleared its answer.
_ANSWER_AS_BEFORE = f"""/* answer_as_before */
WITH best AS MATERIALIZED (
    SELECT DISTINCT ON (e.route_key) e.route_key, e.event, e.occurred_at, {rank_of("e.event")} AS rank
    FROM mail_deliveries AS d
    JOIN delivery_events AS e ON e.route_key = d.route_key AND e.recorded_at >= d.begun_at
    WHERE d.delivery_id = ANY(%s::text[]) AND e.event <> 'complained'
    ORDER BY e.route_key, rank DESC, e.occurred_at DESC, e.id DESC
), locked AS MATERIALIZED (
    SELECT id FROM routes WHERE id = ANY(ARRAY(SELECT route_key FROM best)) ORDER BY id FOR NO KEY UPDATE
)
UPDATE routes SET answer = best.event, answered_at = best.occurred_at
FROM best JOIN locked ON locked.id = best.route_key
WHERE routes.id = best.route_key AND best.rank > {rank_of("routes.answer")}
"""


def record_mail(database: Database, token: str, outcomes: Sequence[MailOutcome], suppress_for: timedelta) -> set[str]:
    """Records outcomes of different deliveries under one lease, with their events. Returns the delivery ids recorded.

    One that is missing was taken over by another process: nothing is recorded of it, and nothing answered. After
    DatabaseUnavailable it may be repeated, and what was recorded before is missing as well: whoever begins such a
    delivery again learns which it was.
    suppress_for: how long an address stays suppressed that bounced for good; 0: none is.
    Raises DatabaseUnavailable or DatabaseRefused.
    """
    rows = [
        (
            outcome.delivery_id,
            outcome.state.value,
            str(outcome.was_tried),
            str(outcome.is_unsure),
            None if outcome.wait is None else round(outcome.wait.total_seconds() * 1000),
            outcome.command,
            None if outcome.event is None else outcome.event.event.value,
        )
        for outcome in sorted(outcomes, key=lambda each: each.delivery_id)
    ]
    with database.unit() as connection, connection.atomic():
        recorded = {row[0] for row in fetch(connection, _RECORD, [*columns(rows), token])}
        answered = [each for each in outcomes if each.event is not None and each.delivery_id in recorded]
        if answered:
            events = [IncomingEvent(each.event) for each in answered if each.event is not None]
            record_events(connection, events, as_of_now=True)
            suppress(connection, [new for each in answered if (new := _suppression(each)) is not None], suppress_for)
    return recorded


def answer_again(database: Database, events: Sequence[DeliveryEvent]) -> None:
    """Records answers to commands that came again for deliveries that are sent. May be repeated after any error.

    The routes have the best answer again that came since the message was begun: nothing was sent anew.
    """
    with database.unit() as connection, connection.atomic():
        record_events(connection, [IncomingEvent(event) for event in events], as_of_now=True)
        connection.execute_sql(_ANSWER_AS_BEFORE, [sorted({event.delivery_id for event in events})])


def _suppression(outcome: MailOutcome) -> NewSuppression | None:
    """Returns what the outcome's event suppresses, if anything."""
    if outcome.event is None or outcome.address is None:
        return None
    reason = suppression_reason(outcome.event)
    if reason is None:
        return None
    return NewSuppression(outcome.address, reason, outcome.delivery_id, outcome.event.source)
