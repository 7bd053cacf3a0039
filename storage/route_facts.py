"""Routes as they stand at one instant of the database's clock, for explaining them. Nothing here changes anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from publisher.domain.notification import RouteStatus, delivery_id_of
from storage.database import Database, Row


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """A route as it stood at read_at, by the database's clock. id is the database's key. Instants are UTC.

    stream: where its command stands, or may stand from an attempt that was cut off; None: no attempt was begun, or it
    was published by a release that kept no stream.
    """

    id: int
    notification_id: str
    route_id: str
    channel: str
    status: RouteStatus
    attempt_count: int
    max_attempts: int
    next_attempt_at: datetime | None
    recipient_ref: str
    last_failure_classification: str | None
    last_failure_message: str | None
    last_failure_at: datetime | None
    lease_expires_at: datetime | None
    lease_loss_count: int
    stream_entry_id: str | None
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
    dead_lettered_at: datetime | None
    expires_at: datetime | None
    replay: int
    stream: str | None
    read_at: datetime

    @property
    def delivery_id(self) -> str:
        """The id under which this route's command is published (R1)."""
        return delivery_id_of(self.notification_id, self.route_id)


# In the order of RouteFacts. The index routes_identity serves both: all routes of a notification, or one. The instant
# is the statement's own, so that what is leased, due or too late is judged as a claim would judge it now (R5).
_FACTS = """
SELECT id, notification_id::text, route_id, channel, status, attempt_count, max_attempts, next_attempt_at,
       recipient_ref, last_failure_classification, last_failure_message, last_failure_at, lease_expires_at,
       lease_loss_count, stream_entry_id, created_at, updated_at, published_at, dead_lettered_at, expires_at, replay,
       stream, date_trunc('milliseconds', statement_timestamp())
FROM routes
WHERE notification_id = %(notification_id)s::uuid
  AND (%(route_id)s::text IS NULL OR route_id = %(route_id)s)
ORDER BY id
LIMIT %(limit)s
"""


def route_facts(database: Database, notification_id: str, route_id: str | None, *, limit: int) -> Sequence[RouteFacts]:
    """Up to `limit` routes of a notification, or the one named, in the order of their creation."""
    parameters: dict[str, object] = {"notification_id": notification_id, "route_id": route_id, "limit": limit}
    return [_facts(row) for row in database.rows(_FACTS, parameters)]


def _facts(row: Row) -> RouteFacts:
    fields: dict[str, Any] = dict(zip(RouteFacts.__dataclass_fields__, row, strict=True))
    return RouteFacts(**fields | {"status": RouteStatus(fields["status"])})
