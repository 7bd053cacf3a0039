"""Reads notifications by their ids or by the entry that they were accepted from. `storage.ids` finds other ids."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.accepting.fingerprints import FINGERPRINT
from storage.database import Database
from storage.malformed.recording import RawFields, readable_fields


@dataclass(frozen=True, slots=True)
class RecordedMalformed:
    """The record that malformed_intents has of an entry."""

    id: int
    code: str
    message: str
    recorded_at: datetime
    resubmitted_by: str | None
    resubmitted_as: str | None


@dataclass(frozen=True, slots=True)
class NotificationRecord:
    """A notification without its payload.

    intent_entry_id: None if a release that kept no entry ids accepted it.
    route_count: how many routes it has.
    """

    notification_id: str
    notification_type: str
    producer: str
    audience_kind: str
    idempotency_key: str
    request_fingerprint: str
    request_id: str | None
    trace_id: str | None
    occurred_at: datetime
    accepted_at: datetime
    intent_entry_id: str | None
    expires_at: datetime | None
    route_count: int


@dataclass(frozen=True, slots=True)
class PrunedRecord:
    """The key that is left of a pruned notification (R18)."""

    notification_id: str
    request_fingerprint: str
    pruned_at: datetime


# One statement a way in, each by its own index: notifications_identity, notifications_intent. The routes are counted by
# routes_identity, and only those of the rows that come out.
def _found_by(name: str, which: str) -> str:
    return f"""/* {name} */
WITH found AS MATERIALIZED (
    SELECT id, notification_id, notification_type, producer, audience_kind, idempotency_key, request_fingerprint,
           request_id, trace_id, occurred_at, accepted_at, intent_entry_id, expires_at
    FROM notifications WHERE {which}
    ORDER BY accepted_at DESC, notification_id LIMIT %(limit)s
)
SELECT found.notification_id::text, notification_type, producer, audience_kind, idempotency_key, {FINGERPRINT},
       request_id, trace_id, occurred_at, accepted_at, intent_entry_id, expires_at,
       (SELECT count(*) FROM routes WHERE routes.notification_key = found.id)
FROM found ORDER BY accepted_at DESC, notification_id
"""


_BY_ID = _found_by("notifications_of_ids", "notification_id = ANY(%(wanted)s::uuid[])")
_BY_ENTRY = _found_by("notifications_of_entry", "intent_entry_id = %(wanted)s")

_PRUNED = f"""/* pruned_notifications */
SELECT notification_id::text, {FINGERPRINT}, pruned_at
FROM pruned_notifications WHERE notification_id = ANY(%s::uuid[])
"""

# The unique index malformed_intents_entry. Its fields, which may be large, are compared where they are.
_MALFORMED = """/* malformed_entry */
SELECT id, failure_code, failure_message, recorded_at, resubmitted_by, resubmitted_as
FROM malformed_intents
WHERE stream = %(stream)s AND stream_entry_id = %(entry_id)s AND (%(fields)s IS NULL OR raw_fields = %(fields)s::jsonb)
"""


def notifications_of_ids(database: Database, notification_ids: Collection[str]) -> Sequence[NotificationRecord]:
    """Returns the notifications of these ids that exist, newest first."""
    ids = list(notification_ids)
    return _found(database, _BY_ID, ids, len(ids)) if ids else []


def notifications_of_entry(database: Database, entry_id: str, *, limit: int) -> Sequence[NotificationRecord]:
    """Returns the notifications accepted from this entry, newest first: one for each stream that intake ever read."""
    return _found(database, _BY_ENTRY, entry_id, limit)


def pruned_notifications(database: Database, notification_ids: Collection[str]) -> Mapping[str, PrunedRecord]:
    """Returns the pruned ones of these notifications, by id."""
    return {row[0]: PrunedRecord(*row) for row in database.rows(_PRUNED, [list(notification_ids)])}


def malformed_entry(
    database: Database, stream: str, entry_id: str, fields: RawFields | None = None
) -> RecordedMalformed | None:
    """Returns the record of this entry of the stream as malformed, or None. fields: only if it had these."""
    wanted = None if fields is None else readable_fields(fields)
    rows = database.rows(_MALFORMED, {"stream": stream, "entry_id": entry_id, "fields": wanted})
    return RecordedMalformed(*rows[0]) if rows else None


def _found(database: Database, sql: str, wanted: object, limit: int) -> Sequence[NotificationRecord]:
    return [NotificationRecord(*row) for row in database.rows(sql, {"wanted": wanted, "limit": limit})]
