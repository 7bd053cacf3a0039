"""Accepting intents: a batch in one transaction, each entry with an outcome of its own (R18–R21)."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import peewee

from publisher.domain.errors import DatabaseUnavailable
from publisher.domain.intent import Intent, Malformed, MalformedCode, PlannedRoute
from storage.database import Database, fetch

RawFields = Sequence[tuple[bytes, bytes]]
_RAW_LIMIT = 16 * 1024 * 1024
_CUT = 64 * 1024


@dataclass(frozen=True, slots=True)
class IncomingIntent:
    """A valid entry of the intents stream, and the routes it asks for."""

    entry_id: str
    raw: RawFields
    intent: Intent
    routes: Sequence[PlannedRoute]


@dataclass(frozen=True, slots=True)
class IncomingMalformed:
    """An entry that cannot be accepted, and why."""

    entry_id: str
    raw: RawFields
    malformed: Malformed


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What became of a batch. due: channel -> keys of the new routes that can be published at once."""

    accepted: Sequence[IncomingIntent] = ()
    duplicates: Sequence[IncomingIntent] = ()
    malformed: Sequence[IncomingMalformed] = ()
    due: dict[str, list[int]] = field(default_factory=dict)


def merged(parts: Sequence[Acceptance]) -> Acceptance:
    """What became of several batches, as of one."""
    due: dict[str, list[int]] = {}
    for part in parts:
        for channel, ids in part.due.items():
            due.setdefault(channel, []).extend(ids)
    return Acceptance(
        [i for part in parts for i in part.accepted],
        [i for part in parts for i in part.duplicates],
        [m for part in parts for m in part.malformed],
        due,
    )


# The id is derived from producer and idempotency key, so its conflict is the repetition of both (R1, R18).
# Rows come sorted by key: two intakes that insert the same keys in different orders would deadlock.
_INSERT_NOTIFICATIONS = """
INSERT INTO notifications (notification_id, notification_type, producer, audience_kind, idempotency_key,
                           request_fingerprint, payload, request_id, trace_id, occurred_at, expires_at,
                           intent_entry_id, accepted_at)
SELECT *, date_trunc('milliseconds', statement_timestamp())
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::json[], %s::text[],
            %s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[])
ON CONFLICT (notification_id) DO NOTHING
RETURNING notification_id::text
"""

# What was pruned is still known by its key (R18). A statement of its own: the insertion may have waited for a pruning
# at this moment, and its snapshot is older than the key that this left behind. Now every pruning is seen that the
# insertion came after. What is taken back has no routes yet.
_TAKE_BACK_PRUNED = """
DELETE FROM notifications
WHERE notification_id = ANY(ARRAY(
    SELECT notification_id FROM pruned_notifications WHERE notification_id = ANY(%s::uuid[])
))
RETURNING notification_id::text
"""

# One statement, so that a notification that is pruned at this moment is seen here or there.
_SELECT_FINGERPRINTS = """
SELECT notification_id::text, request_fingerprint FROM notifications WHERE notification_id = ANY(%(ids)s::uuid[])
UNION ALL
SELECT notification_id::text, request_fingerprint FROM pruned_notifications
WHERE notification_id = ANY(%(ids)s::uuid[])
"""

# Due at once, by the database's clock (R5); a skipped route is never due (R3).
_INSERT_ROUTES = """
INSERT INTO routes (notification_id, route_id, channel, status, max_attempts, recipient_ref, resolved_email,
                    resolved_locale, expires_at, producer, next_attempt_at, created_at, updated_at)
SELECT planned.*, CASE status WHEN 'pending' THEN now.at END, now.at, now.at
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[],
            %s::timestamptz[], %s::text[])
         AS planned (notification_id, route_id, channel, status, max_attempts, recipient_ref, email, locale,
                     expires_at, producer),
     (SELECT date_trunc('milliseconds', statement_timestamp()) AS at) AS now
RETURNING id, channel, status
"""

# An entry that is read a second time, after a crash between commit and XACK, is recorded once.
_INSERT_MALFORMED = """
INSERT INTO malformed_intents (stream, stream_entry_id, failure_code, failure_message, raw_fields, recorded_at)
SELECT %s, given.*, date_trunc('milliseconds', statement_timestamp())
FROM unnest(%s::text[], %s::text[], %s::text[], %s::jsonb[]) AS given
ON CONFLICT (stream, stream_entry_id) DO NOTHING
"""


def accept(
    database: Database, stream: str, intents: Sequence[IncomingIntent], malformed: Sequence[IncomingMalformed]
) -> Acceptance:
    """Records a batch of entries, all or none, in one transaction (R20, R21).

    A new intent becomes a notification with its routes. The same content again changes nothing; other content
    under a known key is recorded as malformed, `idempotency_conflict` (R18). A pruned notification's key is known for
    as long as it is kept in pruned_notifications. May be repeated after any error:
    what was committed is then found as duplicates. Raises DatabaseUnavailable or DatabaseRefused.
    """
    with database.unit() as connection, connection.atomic():
        first: dict[str, IncomingIntent] = {}
        for incoming in intents:
            first.setdefault(incoming.intent.notification_id, incoming)
        new = _insert_notifications(connection, sorted(first.items()))
        accepted = [incoming for key, incoming in first.items() if key in new]
        known = [i for i in intents if i.intent.notification_id not in new or first[i.intent.notification_id] is not i]
        duplicates, conflicts = _compared(connection, known)
        rejected = [*malformed, *conflicts]
        due = _insert_routes(connection, accepted)
        _insert_malformed(connection, stream, rejected)
    return Acceptance(accepted, duplicates, rejected, due)


def _insert_notifications(
    connection: peewee.PostgresqlDatabase, incoming: Sequence[tuple[str, IncomingIntent]]
) -> set[str]:
    if not incoming:
        return set()
    rows = [
        (
            key,
            i.intent.notification_type,
            i.intent.producer,
            i.intent.audience_kind.value,
            i.intent.idempotency_key,
            i.intent.fingerprint,
            i.intent.payload,
            i.intent.request_id,
            i.intent.trace_id,
            i.intent.occurred_at,
            i.intent.expires_at,
            i.entry_id,
        )
        for key, i in incoming
    ]
    inserted = {row[0] for row in fetch(connection, _INSERT_NOTIFICATIONS, _columns(rows))}
    pruned = fetch(connection, _TAKE_BACK_PRUNED, [list(inserted)]) if inserted else ()
    return inserted - {row[0] for row in pruned}


def _compared(
    connection: peewee.PostgresqlDatabase, known: Sequence[IncomingIntent]
) -> tuple[list[IncomingIntent], list[IncomingMalformed]]:
    if not known:
        return [], []
    ids = list({i.intent.notification_id for i in known})
    stored: dict[str, str] = dict(fetch(connection, _SELECT_FINGERPRINTS, {"ids": ids}))
    if len(stored) < len(ids):
        raise DatabaseUnavailable("a notification vanished while its repetition was read; reading it again")
    duplicates, conflicts = [], []
    for incoming in known:
        if stored[incoming.intent.notification_id] == incoming.intent.fingerprint:
            duplicates.append(incoming)
        else:
            message = (
                "this producer and idempotency_key were accepted with other content"
                f" as notification {incoming.intent.notification_id}"
            )
            conflict = Malformed(MalformedCode.IDEMPOTENCY_CONFLICT, message)
            conflicts.append(IncomingMalformed(incoming.entry_id, incoming.raw, conflict))
    return duplicates, conflicts


def _insert_routes(connection: peewee.PostgresqlDatabase, accepted: Sequence[IncomingIntent]) -> dict[str, list[int]]:
    rows = [
        (
            i.intent.notification_id,
            r.route_id,
            r.channel,
            r.status.value,
            r.max_attempts,
            r.recipient_ref,
            r.resolved_email,
            r.resolved_locale,
            i.intent.expires_at,
            i.intent.producer,
        )
        for i in accepted
        for r in i.routes
    ]
    due: dict[str, list[int]] = {}
    if rows:
        for key, channel, status in fetch(connection, _INSERT_ROUTES, _columns(rows)):
            if status == "pending":
                due.setdefault(channel, []).append(key)
    return due


def _insert_malformed(
    connection: peewee.PostgresqlDatabase, stream: str, rejected: Sequence[IncomingMalformed]
) -> None:
    if not rejected:
        return
    rows = [
        (r.entry_id, r.malformed.code.value, r.malformed.message, readable_fields(r.raw))
        for r in sorted(rejected, key=lambda r: r.entry_id)
    ]
    connection.execute_sql(_INSERT_MALFORMED, [stream, *_columns(rows)])


def readable_fields(raw: RawFields) -> str:
    """Raw fields as a JSON object, with nothing lost (R19): see MalformedIntent.raw_fields.

    Of an entry over 16 MiB each value is cut to its first 64 KiB: `{"cut": …, "bytes": its whole length}`. The
    whole stands on the stream.
    """
    if sum(len(name) + len(value) for name, value in raw) > _RAW_LIMIT:
        cut = {_name(name): {"cut": _readable(value[:_CUT]), "bytes": len(value)} for name, value in raw}
        return json.dumps({name[:_CUT]: value for name, value in cut.items()})
    members: dict[str, list[object]] = {}
    for name, value in raw:
        members.setdefault(_name(name), []).append(_readable(value))
    return json.dumps({name: values[0] if len(values) == 1 else values for name, values in members.items()})


def _name(name: bytes) -> str:
    text = _readable(name)
    return text if isinstance(text, str) else f"base64:{text['base64']}"


def _readable(data: bytes) -> str | dict[str, str]:
    # PostgreSQL's jsonb holds neither bytes that are no UTF-8 nor NUL.
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    return {"base64": base64.b64encode(data).decode()} if "\0" in text else text


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    """Rows as one array a column, for unnest: one statement text whatever the number of rows."""
    return [list(column) for column in zip(*rows, strict=True)]
