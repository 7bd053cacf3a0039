"""Finds what an id may have meant that names nothing: a shortened id, a key beside it, an id that has no index."""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Database
from storage.ids.named import Named, NamedKind

# How many of the newest notifications, routes and malformed intents are looked at for an id that has no index.
NEWEST = 10_000
# How many things of each kind are suggested.
SUGGESTED = 5

# Along notifications_identity: a bare notification_id in ORDER BY would be the text of the SELECT list, and sort all
# between.
_BEGINNING = f"""/* ids_that_begin */
SELECT notification_id::text, producer, idempotency_key FROM notifications AS n
WHERE notification_id BETWEEN %s::uuid AND %s::uuid ORDER BY n.notification_id LIMIT {SUGGESTED}
"""

# The neighbours in notifications_idempotency_key, in both directions.
_NEIGHBOURS = f"""/* keys_beside */
SELECT idempotency_key FROM (
    (SELECT idempotency_key FROM notifications WHERE idempotency_key > %(key)s::text
     ORDER BY idempotency_key LIMIT {SUGGESTED})
    UNION
    (SELECT idempotency_key FROM notifications WHERE idempotency_key < %(key)s::text
     ORDER BY idempotency_key DESC LIMIT {SUGGESTED})
) AS beside
"""

# Request ids, trace ids and route ids are in no index that begins with them: the newest rows alone are looked at, along
# the primary keys.
_OF_REQUEST = f"""/* newest_of_request */
SELECT notification_id::text, producer, idempotency_key FROM (
    SELECT notification_id, producer, idempotency_key, request_id, trace_id
    FROM notifications ORDER BY id DESC LIMIT {NEWEST}
) AS newest
WHERE %(id)s::text IN (request_id, trace_id) LIMIT {SUGGESTED}
"""
_OF_ROUTE_ID = f"""/* newest_of_route_id */
SELECT found.id, n.notification_id::text, route_id, channel, status FROM (
    SELECT * FROM (
        SELECT id, notification_key, route_id, channel, status FROM routes ORDER BY id DESC LIMIT {NEWEST}
    ) AS newest
    WHERE route_id = %(id)s LIMIT {SUGGESTED}
) AS found JOIN notifications AS n ON n.id = found.notification_key
"""
# A malformed intent may hold 16 MiB: of a large one, by its stored size, the fields are not read.
_OF_KEY = f"""/* newest_malformed_of_key */
SELECT id, failure_code, stream_entry_id FROM (
    SELECT id, failure_code, stream_entry_id,
           CASE WHEN pg_column_size(raw_fields) <= {16 * 1024} THEN raw_fields END AS fields
    FROM malformed_intents ORDER BY id DESC LIMIT {NEWEST}
) AS newest
WHERE (fields ->> 'idempotency_key' = ANY(%(keys)s::text[])
       OR (fields ->> 'producer') || '/' || (fields ->> 'idempotency_key') = ANY(%(keys)s::text[]))
  AND (%(producer)s::text IS NULL OR fields ->> 'producer' = %(producer)s)
ORDER BY id DESC LIMIT {SUGGESTED}
"""


@dataclass(frozen=True, slots=True)
class NearIds:
    """What an id may have meant.

    requests: notifications among the newest with this request id or trace id.
    routes: routes among the newest with this route id.
    keys: idempotency keys that stand beside it in their order.
    """

    requests: Sequence[Named]
    routes: Sequence[Named]
    keys: Sequence[str]


def ids_that_begin(database: Database, first: str, last: str) -> list[Named]:
    """Returns up to SUGGESTED notifications whose ids lie between these two, which they may be."""
    return [_notification(row) for row in database.rows(_BEGINNING, [first, last])]


def malformed_of_key(database: Database, keys: Sequence[str], producer: str | None = None) -> list[Named]:
    """Returns up to SUGGESTED malformed intents with one of these idempotency keys, newest first.

    keys: each may have its producer and a slash before it. producer: only this one's. Large intents are left out.
    """
    rows = database.rows(_OF_KEY, {"keys": list(keys), "producer": producer})
    return [Named(NamedKind.MALFORMED, id_, name=code, detail=entry_id) for id_, code, entry_id in rows]


def near_ids(database: Database, text: str) -> NearIds:
    """Returns what the text may have meant. Reads the newest rows alone."""
    requests = [_notification(row) for row in database.rows(_OF_REQUEST, {"id": text})]
    routes = [Named(NamedKind.ROUTE, *row) for row in database.rows(_OF_ROUTE_ID, {"id": text})]
    return NearIds(requests, routes, [key for (key,) in database.rows(_NEIGHBOURS, {"key": text})])


def _notification(row: tuple[str, ...]) -> Named:
    id_, producer, key = row
    return Named(NamedKind.NOTIFICATION, None, id_, None, producer, key)
