"""Finds everything that an id names, of every kind, in one statement: each kind by its own index."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from storage.database import Database
from storage.loose_scan import distinct

# How many notifications of one id are found, the newest: an idempotency key has one for each producer that used it.
MATCHES = 100


class NamedKind(StrEnum):
    """What an id can name. ENTRY: an entry of the intents stream that nothing was recorded of."""

    NOTIFICATION = "notification"
    PRUNED = "pruned"
    ROUTE = "route"
    DEAD_LETTER = "dead_letter"
    MALFORMED = "malformed"
    ACTION = "action"
    LOSS = "loss"
    ENTRY = "entry"
    CANCELLATION = "cancellation"


@dataclass(frozen=True, slots=True)
class Named:
    """A thing that an id names.

    number: of a route, a dead letter, a malformed intent, an action or a loss; None for the others.
    notification_id: of a cancellation, the one that it waits for. None for a malformed intent, an action, a loss and an
        entry.
    route_id: of a route or a dead letter; None for the others.
    name, detail: a notification's or a cancellation's producer and idempotency key; a route's channel and status; a
        dead letter's classification and who requeued it, or blank; a malformed intent's code and entry id; an action's
        kind and operator; a loss's cause and stream; an entry's id and stream.
    """

    kind: NamedKind
    number: int | None = None
    notification_id: str | None = None
    route_id: str | None = None
    name: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The ids that a text can be, by kind. None and empty: it cannot be one of that kind."""

    notification_ids: Sequence[str] = ()
    entry_ids: Sequence[str] = ()
    keys: Sequence[str] = ()
    route: int | None = None
    dead_letter: int | None = None
    malformed: int | None = None
    action: int | None = None
    loss: int | None = None


# A cancellation names the notification that it is about, which may be pruned by now. If it is still to come, the
# cancellation stands for itself.
def _cancelled(which: str) -> str:
    return f"""SELECT CASE WHEN p.notification_id IS NOT NULL THEN 'pruned'
            WHEN awaits_intent THEN 'cancellation' ELSE 'notification' END, NULL,
       c.notification_id::text, NULL, CASE WHEN p.notification_id IS NULL THEN producer ELSE '' END,
       CASE WHEN p.notification_id IS NULL THEN idempotency_key ELSE '' END
FROM cancellations AS c LEFT JOIN pruned_notifications AS p USING (notification_id) WHERE {which}"""


# Primary keys, notifications_identity, notifications_intent, notifications_idempotency_key; malformed_intents_entry,
# which begins with the stream: the entry is looked up in each stream that there is.
_NAMED = f"""/* named */
WITH RECURSIVE {distinct("streams", "stream", "malformed_intents")}
SELECT 'notification', NULL::bigint, notification_id::text, NULL::text, producer, idempotency_key
FROM notifications WHERE notification_id = ANY(%(notification_ids)s::uuid[])
UNION ALL
(SELECT 'notification', NULL, notification_id::text, NULL, producer, idempotency_key
 FROM notifications WHERE intent_entry_id = ANY(%(entry_ids)s::text[])
 ORDER BY accepted_at DESC LIMIT %(matches)s)
UNION ALL
(SELECT 'notification', NULL, notification_id::text, NULL, producer, idempotency_key
 FROM notifications WHERE idempotency_key = ANY(%(keys)s::text[])
 ORDER BY accepted_at DESC LIMIT %(matches)s)
UNION ALL
{_cancelled("c.notification_id = ANY(%(notification_ids)s::uuid[])")}
UNION ALL
{_cancelled("c.intent_entry_id = ANY(%(entry_ids)s::text[])")}
UNION ALL
({_cancelled("c.idempotency_key = ANY(%(keys)s::text[])")}
 ORDER BY requested_at DESC LIMIT %(matches)s)
UNION ALL
SELECT 'pruned', NULL, notification_id::text, NULL, '', ''
FROM pruned_notifications WHERE notification_id = ANY(%(notification_ids)s::uuid[])
UNION ALL
SELECT 'route', r.id, n.notification_id::text, route_id, channel, status
FROM routes AS r JOIN notifications AS n ON n.id = r.notification_key WHERE r.id = %(route)s::bigint
UNION ALL
SELECT 'dead_letter', id, notification_id::text, route_id, classification, coalesce(requeued_by, '')
FROM dead_letters WHERE id = %(dead_letter)s::bigint
UNION ALL
SELECT 'malformed', id, NULL, NULL, failure_code, stream_entry_id
FROM malformed_intents WHERE id = %(malformed)s::bigint
UNION ALL
SELECT 'malformed', id, NULL, NULL, failure_code, stream_entry_id
FROM malformed_intents
WHERE stream IN (SELECT stream FROM streams) AND stream_entry_id = ANY(%(entry_ids)s::text[])
UNION ALL
SELECT 'action', id, NULL, NULL, action, by FROM operator_actions WHERE id = %(action)s::bigint
UNION ALL
SELECT 'loss', id, NULL, NULL, cause, stream FROM intents_losses WHERE id = %(loss)s::bigint
"""

# A command's entry id is in no index. The instant in it is near published_at, by which routes_published is ordered: of
# each channel so many routes are looked at that were published from then on.
_PUBLISHED_AS = """/* published_as */
WITH found AS MATERIALIZED (
    SELECT near.*
    FROM unnest(%(channels)s::text[]) AS given (channel) CROSS JOIN LATERAL (
        SELECT id, notification_key, route_id, channel, status, stream_entry_id FROM routes
        WHERE status = 'published' AND channel = given.channel
          AND published_at >= %(since)s::timestamptz AND published_at < %(until)s::timestamptz
        ORDER BY published_at LIMIT 10000
    ) AS near
    WHERE near.stream_entry_id = %(entry_id)s
)
SELECT found.id, n.notification_id::text, route_id, channel, status
FROM found JOIN notifications AS n ON n.id = found.notification_key
ORDER BY found.id
"""
# Two clocks may differ by so much; a route is recorded so long after its command was appended.
_BEFORE, _AFTER = timedelta(seconds=1), timedelta(minutes=5)


def named(database: Database, wanted: Wanted) -> list[Named]:
    """Returns everything that has one of these ids, each thing once."""
    parameters = {name: list(v) if isinstance(v, Sequence) else v for name, v in asdict(wanted).items()}
    rows = database.rows(_NAMED, parameters | {"matches": MATCHES})
    found = [Named(NamedKind(kind), *rest) for kind, *rest in rows]
    return list(dict.fromkeys(found))


def published_as(database: Database, channels: Sequence[str], entry_id: str, appended_at: datetime) -> list[Named]:
    """Returns the published routes of these channels whose command has this entry id, at most one a channel.

    appended_at: the instant in the entry id. A route that was published with many others, or long after it, is missed.
    """
    parameters = {
        "channels": list(channels),
        "entry_id": entry_id,
        "since": appended_at - _BEFORE,
        "until": appended_at + _AFTER,
    }
    return [Named(NamedKind.ROUTE, *row) for row in database.rows(_PUBLISHED_AS, parameters)]
