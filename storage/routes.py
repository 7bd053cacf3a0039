"""Reading routes: one notification's, or a page of those that match a filter. Changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from publisher.domain.delivery_event import EventKind
from publisher.domain.notification import RouteStatus, delivery_id_of
from storage.answers.answered import AnswerFilter
from storage.answers.unanswered import is_unanswered
from storage.clock import NOW
from storage.database import Database, Row


@dataclass(frozen=True, slots=True)
class RouteRecord:
    """A route as it stood at read_at, by the database's clock. Instants are UTC.

    One record and one list of columns serve listing and explaining. The type, which only a listing shows, costs a join
    by primary key: reading a notification's routes takes 0.4 ms with and without it, among 300,000 routes.

    id: the database's key, and the route's place in a listing.
    stream: where its command stands, or may stand from an attempt that was cut off. None: no attempt was begun, or it
        was published by a release that kept no stream.
    replay: how often an operator had it published again.
    producer: blank for a route of an early release.
    not_before: when its producer wanted the first attempt at the earliest; None: at once.
    cancel_requested_at, cancelled_by: since when it is to be cancelled, and by whom; both None: it is not.
    answer, answered_at: the answer of the highest rank, and when it was given; both None: there is none yet (R32).
    complained: whether the recipient called the message spam.
    """

    id: int
    notification_id: str
    route_id: str
    notification_type: str
    channel: str
    status: RouteStatus
    attempt_count: int
    max_attempts: int
    next_attempt_at: datetime | None
    recipient_ref: str
    resolved_email: str | None
    resolved_locale: str | None
    last_failure_classification: str | None
    last_failure_message: str | None
    last_failure_at: datetime | None
    lease_token: str | None
    lease_expires_at: datetime | None
    lease_loss_count: int
    stream: str | None
    stream_entry_id: str | None
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
    dead_lettered_at: datetime | None
    replay: int
    expires_at: datetime | None
    producer: str
    lane: str
    not_before: datetime | None
    cancel_requested_at: datetime | None
    cancelled_by: str | None
    answer: EventKind | None
    answered_at: datetime | None
    complained: bool
    read_at: datetime

    @property
    def delivery_id(self) -> str:
        """The id under which this route's command is published (R1)."""
        return delivery_id_of(self.notification_id, self.route_id)


@dataclass(frozen=True, slots=True)
class RouteFilter:
    """Selects the routes that match every field that is given.

    unanswered: by channel, how long after its command an answer is expected: selects the routes of these channels that
        have none in time, see `storage.answers.unanswered`. None: whether or not they have one.
    """

    channel: str | None = None
    status: RouteStatus | None = None
    notification_id: str | None = None
    notification_type: str | None = None
    answer: AnswerFilter = field(default_factory=AnswerFilter)
    unanswered: Mapping[str, timedelta] | None = None


# In the order of RouteRecord. read_at is the instant of the statement, so that a route counts as leased, due or too
# late exactly if a claim at this moment would take it for that (R5).
_SELECT = f"""
SELECT r.id, n.notification_id::text, r.route_id, n.notification_type, r.channel, r.status, r.attempt_count,
       r.max_attempts, r.next_attempt_at, r.recipient_ref, r.resolved_email, r.resolved_locale,
       r.last_failure_classification, r.last_failure_message, r.last_failure_at, r.lease_token, r.lease_expires_at,
       r.lease_loss_count, r.stream, r.stream_entry_id, r.created_at, r.updated_at, r.published_at,
       r.dead_lettered_at, r.replay, r.expires_at, r.producer, r.lane, n.not_before, r.cancel_requested_at,
       r.cancelled_by, r.answer, r.answered_at, r.complained, {NOW}
FROM routes AS r JOIN notifications AS n ON n.id = r.notification_key
"""

# The index routes_identity serves both: all routes of a notification, or one.
_OF_NOTIFICATION = f"""/* find_routes */ {_SELECT}
WHERE n.notification_id = %(notification_id)s::uuid
  AND (%(route_id)s::text IS NULL OR r.route_id = %(route_id)s)
ORDER BY r.id
LIMIT %(limit)s
"""

# Only the conditions that are given are in the statement: so the planner picks an index for them.
_CONDITIONS = {
    "channel": "r.channel = %(channel)s",
    "status": "r.status = %(status)s",
    "notification_id": "n.notification_id = %(notification_id)s::uuid",
    "notification_type": "n.notification_type = %(notification_type)s",
    "before": "r.id < %(before)s",
}


def list_routes(database: Database, matching: RouteFilter, *, before: int | None, limit: int) -> list[RouteRecord]:
    """Returns up to `limit` routes, newest first. before: the id of the last one seen, for the next page."""
    asked = {name: getattr(matching, name) for name in _CONDITIONS if name != "before"} | {"before": before}
    given = {name: value for name, value in asked.items() if value is not None}
    conditions = [*(_CONDITIONS[name] for name in given), *matching.answer.conditions("r")]
    if matching.unanswered is not None:
        late = []
        for n, (channel, within) in enumerate(matching.unanswered.items()):
            late.append(is_unanswered("r", f"channel_{n}", f"within_{n}"))
            given |= {f"channel_{n}": channel, f"within_{n}": within}
        conditions.append(f"({' OR '.join(late) or 'false'})")
    where = " AND ".join(conditions) or "true"
    statement = f"/* list_routes */ {_SELECT} WHERE {where} ORDER BY r.id DESC LIMIT %(limit)s"
    return [_record(row) for row in database.rows(statement, given | {"limit": limit})]


def find_routes(
    database: Database, notification_id: str, route_id: str | None = None, *, limit: int | None = None
) -> Sequence[RouteRecord]:
    """Returns the routes of a notification, or the one named, in the order of their creation. limit: None for all."""
    parameters: dict[str, object] = {"notification_id": notification_id, "route_id": route_id, "limit": limit}
    return [_record(row) for row in database.rows(_OF_NOTIFICATION, parameters)]


def _record(row: Row) -> RouteRecord:
    fields: dict[str, Any] = dict(zip(RouteRecord.__dataclass_fields__, row, strict=True))
    answer = None if fields["answer"] is None else EventKind(fields["answer"])
    return RouteRecord(**fields | {"status": RouteStatus(fields["status"]), "answer": answer})
