"""Accepts intents: a batch in one transaction, each entry with an outcome of its own (R18–R21)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import peewee

from publisher.domain.conflict import idempotency_conflict
from publisher.domain.errors import DatabaseUnavailable
from publisher.domain.intent import Intent
from publisher.domain.planning import PlannedRoute
from storage.array_literals import array_literal, columns
from storage.clock import NOW
from storage.database import Database, fetch
from storage.fingerprints import STORED_FINGERPRINT, accepted_among
from storage.handover import Handover
from storage.malformed_records import IncomingMalformed, RawFields, record_malformed

_NO_HANDOVER = Handover({}, timedelta(0))


@dataclass(frozen=True, slots=True)
class IncomingIntent:
    """A valid entry of the intents stream, and the routes it asks for."""

    entry_id: str
    raw: RawFields
    intent: Intent
    routes: Sequence[PlannedRoute]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The result of accepting a batch.

    accepted: intents that became notifications.
    duplicates: intents that are known with the same content.
    malformed: rejections, which are on record now.
    again: ids of the duplicates and rejections that an earlier reading of the very same entry has left: nothing is new.
    due: channel -> keys of the new routes that can be published at once.
    handover: the token of the handover under which they are leased; None: nothing was handed over.
    """

    accepted: Sequence[IncomingIntent] = ()
    duplicates: Sequence[IncomingIntent] = ()
    malformed: Sequence[IncomingMalformed] = ()
    again: Collection[str] = ()
    due: dict[str, list[int]] = field(default_factory=dict)
    handover: str | None = None

    def told_as_new(self) -> "Acceptance":
        """The same, where an earlier try of this process left what was found again, and its reply was lost."""
        own = [i for i in self.duplicates if i.entry_id in self.again]
        repeated = [i for i in self.duplicates if i.entry_id not in self.again]
        return replace(self, accepted=[*self.accepted, *own], duplicates=repeated, again=())


# The id is derived from producer and idempotency key, so its conflict is the repetition of both (R1, R18).
# Rows come sorted by key: two intakes that insert the same keys in different orders would deadlock.
_INSERT_NOTIFICATIONS = f"""/* insert_notifications */
INSERT INTO notifications (notification_id, notification_type, producer, audience_kind, idempotency_key, payload,
                           request_id, trace_id, occurred_at, expires_at, intent_entry_id, request_fingerprint,
                           accepted_at)
SELECT notification_id, type, producer, audience, key, payload, request_id, trace_id, occurred_at, expires_at, entry_id,
       {STORED_FINGERPRINT}, {NOW}
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::json[], %s::text[], %s::text[],
            %s::timestamptz[], %s::timestamptz[], %s::text[], %s::text[])
         AS incoming (notification_id, type, producer, audience, key, payload, request_id, trace_id, occurred_at,
                      expires_at, entry_id, fingerprint)
ON CONFLICT (notification_id) DO NOTHING
RETURNING notification_id::text, id
"""

# What was pruned is still known by its key (R18). A statement of its own: the insertion may have waited for a pruning
# at this moment, and its snapshot is older than the key that this left behind. Now every pruning is seen that the
# insertion came after. What is taken back has no routes yet.
_TAKE_BACK_PRUNED = """/* take_back_pruned */
DELETE FROM notifications
WHERE notification_id = ANY(ARRAY(
    SELECT notification_id FROM pruned_notifications WHERE notification_id = ANY(%s::uuid[])
))
RETURNING notification_id::text
"""

# Due at once, by the database's clock (R5); a skipped route is never due (R3).
#
# streams   channel -> stream, of the channels whose routes are handed over. Those of a channel whose gate is closed are
#           not: they would only wait under a lease. One row and no join, so that the routes keep their order.
_INSERT_ROUTES = f"""/* insert_routes */
INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, resolved_email,
                    resolved_locale, expires_at, producer, next_attempt_at, created_at, updated_at,
                    lease_token, lease_expires_at, stream)
SELECT planned.*, CASE status WHEN 'pending' THEN now.at END, now.at, now.at,
       CASE WHEN stream IS NOT NULL THEN token END, CASE WHEN stream IS NOT NULL THEN now.at + lasts END, stream
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[],
            %s::timestamptz[], %s::text[])
         AS planned (notification_key, route_id, channel, status, max_attempts, recipient_ref, email, locale,
                     expires_at, producer)
CROSS JOIN (SELECT {NOW} AS at) AS now
CROSS JOIN (
    SELECT %s AS token, %s::interval AS lasts, jsonb_object_agg(channel, stream) AS streams
    FROM unnest(%s::text[], %s::text[]) AS given (channel, stream)
    WHERE NOT EXISTS (SELECT FROM channel_gates AS gate WHERE gate.channel = given.channel
                      AND (paused_at IS NOT NULL OR parked_at IS NOT NULL))
) AS lease
CROSS JOIN LATERAL (SELECT CASE status WHEN 'pending' THEN streams ->> channel END AS stream) AS handed
RETURNING id, channel, status
"""


def accept(
    database: Database,
    stream: str,
    intents: Sequence[IncomingIntent],
    malformed: Sequence[IncomingMalformed],
    handover: Handover | None = None,
) -> Acceptance:
    """Records a batch of entries, all or none, in one transaction (R20, R21).

    A new intent becomes a notification with its routes. The same content again changes nothing. Other content under a
    known key is recorded as malformed, `idempotency_conflict` (R18). The key of a pruned notification is known for as
    long as pruned_notifications keeps it. May be repeated after any error: it then finds what an earlier try of these
    entries has left.
    handover: the lease of the new routes, for the messages that the caller sends about them; None: they have none.
    Raises DatabaseUnavailable or DatabaseRefused.
    """
    with database.unit() as connection, connection.atomic():
        first: dict[str, IncomingIntent] = {}
        for incoming in intents:
            first.setdefault(incoming.intent.notification_id, incoming)
        new = _insert_notifications(connection, sorted(first.items()))
        accepted = [incoming for key, incoming in first.items() if key in new]
        known = [i for i in intents if i.intent.notification_id not in new or first[i.intent.notification_id] is not i]
        duplicates, conflicts, again = _compared(connection, known)
        rejected = [*malformed, *conflicts]
        due = _insert_routes(connection, accepted, new, handover)
        recorded = record_malformed(connection, stream, rejected)
    again |= {r.entry_id for r in rejected} - recorded
    return Acceptance(accepted, duplicates, rejected, again, due, handover.token if handover else None)


def _insert_notifications(
    connection: peewee.PostgresqlDatabase, incoming: Sequence[tuple[str, IncomingIntent]]
) -> dict[str, int]:
    """Returns the notifications that are new: id -> key."""
    if not incoming:
        return {}
    rows = [
        (
            key,
            i.intent.notification_type,
            i.intent.producer,
            i.intent.audience_kind.value,
            i.intent.idempotency_key,
            i.intent.payload,
            i.intent.request_id,
            i.intent.trace_id,
            i.intent.occurred_at,
            i.intent.expires_at,
            i.entry_id,
            i.intent.fingerprint,
        )
        for key, i in incoming
    ]
    inserted: dict[str, int] = dict(fetch(connection, _INSERT_NOTIFICATIONS, columns(rows)))
    pruned = fetch(connection, _TAKE_BACK_PRUNED, [array_literal(inserted)]) if inserted else ()
    for (key,) in pruned:
        del inserted[key]
    return inserted


def _compared(
    connection: peewee.PostgresqlDatabase, known: Sequence[IncomingIntent]
) -> tuple[list[IncomingIntent], list[IncomingMalformed], set[str]]:
    """Returns duplicates, conflicts (R18), and the ids of the duplicates that the very same entry was accepted from."""
    if not known:
        return [], [], set()
    ids = list({i.intent.notification_id for i in known})
    stored = accepted_among(connection, ids)
    if len(stored) < len(ids):
        raise DatabaseUnavailable("a notification vanished while its repetition was read; reading it again")
    again, duplicates, conflicts = set(), [], []
    for incoming in known:
        accepted = stored[incoming.intent.notification_id]
        conflict = idempotency_conflict(incoming.intent, accepted.fingerprint)
        if conflict is not None:
            conflicts.append(IncomingMalformed(incoming.entry_id, incoming.raw, conflict))
            continue
        duplicates.append(incoming)
        if accepted.entry_id == incoming.entry_id:
            again.add(incoming.entry_id)
    return duplicates, conflicts, again


def _insert_routes(
    connection: peewee.PostgresqlDatabase,
    accepted: Sequence[IncomingIntent],
    keys: Mapping[str, int],
    handover: Handover | None,
) -> dict[str, list[int]]:
    rows = [
        (
            keys[i.intent.notification_id],
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
        lease = handover or _NO_HANDOVER
        handed = [lease.token, lease.lasts, array_literal(lease.streams), array_literal(lease.streams.values())]
        for key, channel, status in fetch(connection, _INSERT_ROUTES, [*columns(rows), *handed]):
            if status == "pending":
                due.setdefault(channel, []).append(key)
    return due
