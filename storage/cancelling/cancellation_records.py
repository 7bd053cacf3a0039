"""Reads producers' cancellations and their answers, by the notification or by the entry (R28)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.database import Database


@dataclass(frozen=True, slots=True)
class CancellationRecord:
    """A producer's cancellation.

    intent_entry_id: the entry that asked for it.
    awaits_intent: no intent of this key was accepted; the one that comes is cancelled.
    answered_at: None while routes of the notification are open. The counts are of that instant.
    otherwise: routes that had ended in another way: skipped, expired, or a dead letter that was dealt with.
    published_at, published_as: of the notification's first published route, now; both None if it has none.
    """

    notification_id: str
    producer: str
    idempotency_key: str
    request_id: str | None
    trace_id: str | None
    intent_entry_id: str
    requested_at: datetime
    awaits_intent: bool
    answered_at: datetime | None
    cancelled: int
    published: int
    otherwise: int
    published_at: datetime | None
    published_as: str | None


# By the primary key, or the index cancellations_entry; the routes by routes_identity.
def _found_by(name: str, which: str) -> str:
    return f"""/* {name} */
SELECT c.notification_id::text, c.producer, c.idempotency_key, c.request_id, c.trace_id, c.intent_entry_id,
       requested_at, awaits_intent, answered_at, cancelled, published, otherwise, published_at, stream_entry_id
FROM cancellations AS c
LEFT JOIN LATERAL (
    SELECT published_at, stream_entry_id
    FROM notifications AS n JOIN routes ON routes.notification_key = n.id
    WHERE n.notification_id = c.notification_id AND status = 'published'
    ORDER BY published_at LIMIT 1
) AS first ON true
WHERE {which}
"""


_BY_ID = _found_by("cancellations_of_ids", "c.notification_id = ANY(%s::uuid[])")
_BY_ENTRY = _found_by("cancellations_of_entry", "c.intent_entry_id = %s ORDER BY requested_at DESC LIMIT 1")


def cancellations_of(database: Database, notification_ids: Collection[str]) -> Mapping[str, CancellationRecord]:
    """Returns the cancellations of these notifications, by id."""
    rows = database.rows(_BY_ID, [list(notification_ids)]) if notification_ids else []
    return {row[0]: CancellationRecord(*row) for row in rows}


def cancellation_of_entry(database: Database, entry_id: str) -> CancellationRecord | None:
    """Returns the newest cancellation that this entry asked for; None if it asked for none."""
    rows: Sequence[tuple[object, ...]] = database.rows(_BY_ENTRY, [entry_id])
    return CancellationRecord(*rows[0]) if rows else None  # type: ignore[arg-type]  # the driver's types
