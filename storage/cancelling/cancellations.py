"""Producers' cancellations: recording them, cancelling what they name, and answering each once (R28).

A cancellation and an acceptance of its intent serialise at the unique id of the notification, whichever is first: the
cancellation inserts a notification under that id and deletes it again. It waits for an acceptance in flight, and an
acceptance waits for it. So the statement that follows sees the routes, or the acceptance that follows sees the
cancellation, and inserts its routes as cancelled (`accept_statement`).
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import peewee

from publisher.domain.cancellation import Cancellation
from publisher.domain.notification import RouteEvent
from storage.array_literals import array_literal
from storage.cancelling.cancel_mark import BY_PRODUCER, MARKABLE, mark, reopen
from storage.clock import NOW
from storage.database import Database, fetch
from storage.malformed.recording import RawFields
from storage.models.routes import OPEN, WAITING
from storage.outcomes.transitions import allowing


@dataclass(frozen=True, slots=True)
class IncomingCancellation:
    """A valid entry of the intents stream that is a cancellation."""

    entry_id: str
    raw: RawFields
    cancellation: Cancellation


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The result of one transaction.

    new: cancellations that are recorded now.
    known: those whose intent was cancelled before: nothing is new, and the first answer stands.
    again: ids of the known ones that an earlier reading of the very same entry has left.
    routes: (channel, notification type) -> how many routes were cancelled at once. Others end later.
    """

    new: Sequence[IncomingCancellation] = ()
    known: Sequence[IncomingCancellation] = ()
    again: Collection[str] = ()
    routes: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a cancellation: the notification's routes when none was open any more.

    otherwise: routes that ended in another way before: skipped, expired, or a dead letter that was dealt with.
    """

    notification_id: str
    producer: str
    idempotency_key: str
    cancelled: int
    published: int
    otherwise: int


# Rows come sorted by id: two intakes that insert the same ids in different orders would deadlock.
_RECORD = f"""/* record_cancellations */
INSERT INTO cancellations (notification_id, producer, idempotency_key, request_id, trace_id, intent_entry_id,
                           requested_at)
SELECT given.*, {NOW}
FROM unnest(%(ids)s::uuid[], %(producers)s::text[], %(keys)s::text[], %(requests)s::text[], %(traces)s::text[],
            %(entries)s::text[]) AS given
ON CONFLICT (notification_id) DO NOTHING
RETURNING notification_id::text
"""

_ENTRIES = """/* entries_of_cancellations */
SELECT notification_id::text, intent_entry_id FROM cancellations WHERE notification_id = ANY(%s::uuid[])
"""

# The placeholder of a notification that is not there. Nobody ever sees it: it is deleted before the commit.
_PLACE = f"""/* place_notifications */
INSERT INTO notifications (notification_id, notification_type, producer, audience_kind, idempotency_key, payload,
                           occurred_at, request_fingerprint, accepted_at)
SELECT id, '', '', '', '', '{{}}', {NOW}, '', {NOW} FROM unnest(%s::uuid[]) AS given (id) ORDER BY id
ON CONFLICT (notification_id) DO NOTHING
RETURNING id
"""
_TAKE_AWAY = "/* take_placeholders_away */ DELETE FROM notifications WHERE id = ANY(%s::bigint[])"

# By routes_identity. The routes are locked in the order of their ids: see `cancelling`.
_MARK = f"""/* cancel_notifications */
WITH locked AS MATERIALIZED (
    SELECT routes.id FROM routes
    WHERE notification_key = ANY(ARRAY(SELECT id FROM notifications WHERE notification_id = ANY(%(ids)s::uuid[])))
      AND {MARKABLE}
    ORDER BY id FOR UPDATE
), marked AS (
    UPDATE routes SET {mark(BY_PRODUCER)}
    FROM notifications AS n
    WHERE routes.id = ANY(ARRAY(SELECT id FROM locked)) AND n.id = routes.notification_key
    RETURNING routes.channel, n.notification_type, routes.status
)
SELECT channel, notification_type, count(*) FROM marked WHERE status = 'cancelled' GROUP BY channel, notification_type
"""

# Locks the dead letter first and its route second, as a requeue does.
_REOPEN = f"""/* cancel_dead_letters */
WITH chosen AS MATERIALIZED (
    SELECT id FROM dead_letters WHERE notification_id = ANY(%(ids)s::uuid[]) AND {WAITING} ORDER BY id FOR UPDATE
), reopened AS (
    UPDATE routes SET {reopen(BY_PRODUCER)}
    FROM chosen, notifications AS n
    WHERE routes.dead_letter_id = chosen.id AND n.id = routes.notification_key
      AND {allowing(RouteEvent.DEAD_LETTER_CANCELLED)}
    RETURNING chosen.id AS letter, routes.cancelled_by
)
UPDATE dead_letters SET discarded_at = {NOW}, discarded_by = reopened.cancelled_by
FROM reopened WHERE dead_letters.id = reopened.letter
RETURNING '', '', 0
"""

# No intent of this key was accepted, or it was pruned and forgotten. Of one that was pruned nothing is left to cancel.
_AWAIT = """/* await_intents */
UPDATE cancellations AS c SET awaits_intent = true
WHERE notification_id = ANY(%(ids)s::uuid[])
  AND NOT EXISTS (SELECT FROM notifications AS n WHERE n.notification_id = c.notification_id)
  AND NOT EXISTS (SELECT FROM pruned_notifications AS p WHERE p.notification_id = c.notification_id)
"""


# Each is answered once, when none of the routes is open. By the index cancellations_unanswered, whose condition stands
# here word for word.
def _answer(name: str, which: str) -> str:
    return f"""/* {name} */
WITH unanswered AS MATERIALIZED (
    SELECT notification_id FROM cancellations AS c
    WHERE answered_at IS NULL AND NOT awaits_intent AND {which}
      AND NOT EXISTS (SELECT FROM notifications AS n JOIN routes ON routes.notification_key = n.id
                      WHERE n.notification_id = c.notification_id AND {OPEN})
    ORDER BY notification_id LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), sums AS (
    SELECT notification_id, count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
           count(*) FILTER (WHERE status = 'published') AS published, count(status) AS routes
    FROM unanswered LEFT JOIN notifications AS n USING (notification_id)
    LEFT JOIN routes ON routes.notification_key = n.id
    GROUP BY notification_id
)
UPDATE cancellations AS c
SET answered_at = {NOW}, cancelled = sums.cancelled, published = sums.published,
    otherwise = sums.routes - sums.cancelled - sums.published
FROM sums WHERE c.notification_id = sums.notification_id
RETURNING c.notification_id::text, producer, idempotency_key, c.cancelled, c.published, c.otherwise
"""


_ANSWER = _answer("answer_cancellations", "true")
_ANSWER_THESE = _answer("answer_these_cancellations", "notification_id = ANY(%(ids)s::uuid[])")

_KNOWN = """/* known_cancellations */
SELECT notification_id::text FROM cancellations WHERE notification_id = ANY(%s::uuid[])
"""

# Kept as long as the key: while the notification or its key is there, and as long after the request. One that waits for
# its routes to end is not answered yet.
_PRUNE = """/* prune_cancellations */
DELETE FROM cancellations
WHERE notification_id = ANY(ARRAY(
    SELECT notification_id FROM cancellations AS c
    WHERE requested_at < statement_timestamp() - %(kept)s AND (answered_at IS NOT NULL OR awaits_intent)
      AND NOT EXISTS (SELECT FROM notifications AS n WHERE n.notification_id = c.notification_id)
      AND NOT EXISTS (SELECT FROM pruned_notifications AS p WHERE p.notification_id = c.notification_id)
    ORDER BY requested_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
))
RETURNING 1
"""

# How many are answered in one statement.
_ANSWERS = 500


def cancel_intents(database: Database, incoming: Sequence[IncomingCancellation]) -> Cancelled:
    """Records those of these cancellations that are new, and cancels what they name, all or none, in one transaction.

    Routes that cannot be cancelled at once are marked; their cancellations are answered once they have ended. May be
    repeated after any error: what an earlier try has left is then known. Raises DatabaseUnavailable or DatabaseRefused.
    """
    first: dict[str, IncomingCancellation] = {}
    for each in incoming:
        first.setdefault(each.cancellation.notification_id, each)
    with database.unit() as connection, connection.atomic():
        new = _recorded(connection, [first[id_] for id_ in sorted(first)])
        routes = _cancelled(connection, sorted(new)) if new else {}
        fresh = [first[id_] for id_ in sorted(new)]
        fresh_ids = {each.entry_id for each in fresh}
        known = [each for each in incoming if each.entry_id not in fresh_ids]
        entries: dict[str, str] = (
            dict(fetch(connection, _ENTRIES, [[k.cancellation.notification_id for k in known]])) if known else {}
        )
    again = {k.entry_id for k in known if entries.get(k.cancellation.notification_id) == k.entry_id}
    return Cancelled(fresh, known, again, routes)


def answer_cancellations(database: Database) -> list[Answer]:
    """Answers cancellations whose routes have all ended, a bounded number. Returns what it answered."""
    return [Answer(*row) for row in database.rows(_ANSWER, {"limit": _ANSWERS})]


def known_cancellations(database: Database, notification_ids: Collection[str]) -> set[str]:
    """Returns those of these notifications whose cancellation is on record."""
    return {row[0] for row in database.rows(_KNOWN, [list(notification_ids)])} if notification_ids else set()


def _recorded(connection: peewee.PostgresqlDatabase, sorted_: Sequence[IncomingCancellation]) -> set[str]:
    given = [each.cancellation for each in sorted_]
    parameters: dict[str, object] = {
        "ids": array_literal([c.notification_id for c in given]),
        "producers": array_literal([c.producer for c in given]),
        "keys": array_literal([c.idempotency_key for c in given]),
        "requests": array_literal([c.request_id for c in given]),
        "traces": array_literal([c.trace_id for c in given]),
        "entries": array_literal([each.entry_id for each in sorted_]),
    }
    return {row[0] for row in fetch(connection, _RECORD, parameters)}


def _cancelled(connection: peewee.PostgresqlDatabase, ids: list[str]) -> Counter[tuple[str, str]]:
    """Cancels the routes of these notifications. Returns how many are cancelled by now."""
    placed = [id_ for (id_,) in fetch(connection, _PLACE, [ids])]
    if placed:
        connection.execute_sql(_TAKE_AWAY, [placed])
    routes: Counter[tuple[str, str]] = Counter()
    if len(placed) < len(ids):
        # Each statement sees what was committed before it. The open routes are looked at twice: one may have been
        # requeued between the first look and that at the dead letters.
        for sql in (_MARK, _REOPEN, _MARK):
            for channel, notification_type, count in fetch(connection, sql, {"ids": ids}):
                routes[channel, notification_type] += count
    connection.execute_sql(_AWAIT, {"ids": ids})
    connection.execute_sql(_ANSWER_THESE, {"ids": ids, "limit": len(ids)})
    return routes


def prune_cancellations(database: Database, kept: timedelta, *, limit: int = 1000) -> int:
    """Deletes cancellations whose keys are forgotten, asked for longer ago than `kept`. Returns how many."""
    return len(database.rows(_PRUNE, {"kept": kept, "limit": limit}))
