"""Finds the ids that a text may be the beginning of, for a shell that completes them. Every query is bounded.

Each ORDER BY names the table: a bare column is the text of the SELECT list, by which no index is ordered.
"""

import re
import uuid

from storage.database import Database
from storage.models.routes import WAITING

# How many ids are offered: a screen of them.
OFFERED = 20
# How many of the newest records of a table are looked at.
_NEWEST = 1000

# Along the primary key, which is nearly in the order of acceptance.
_NEWEST_NOTIFICATIONS = f"""/* newest_notifications */
SELECT notification_id::text FROM notifications ORDER BY id DESC LIMIT {OFFERED}
"""
# Along notifications_identity.
_NOTIFICATIONS = f"""/* notifications_that_begin */
SELECT notification_id::text FROM notifications AS n
WHERE notification_id BETWEEN %s::uuid AND %s::uuid ORDER BY n.notification_id LIMIT {OFFERED}
"""
# From this key on along notifications_idempotency_key. A database's order of text may put a longer key before a
# shorter one, so the caller keeps those that do begin with it: LIKE would read the whole table.
_KEYS = f"""/* keys_from */
SELECT idempotency_key FROM notifications WHERE idempotency_key >= %s ORDER BY idempotency_key LIMIT {OFFERED}
"""
# Along the unique key of routes, within one notification.
_ROUTES = f"""/* routes_that_begin */
SELECT route_id FROM routes
WHERE notification_key = (SELECT id FROM notifications WHERE notification_id = %s::uuid) AND starts_with(route_id, %s)
ORDER BY route_id LIMIT {OFFERED}
"""
# Dead letters that were requeued or discarded are left out: an id is offered where it can be of use.
_NUMBERS = {
    table: f"""/* newest_{table} */
SELECT id::text FROM (SELECT * FROM {table} ORDER BY id DESC LIMIT {_NEWEST}) AS newest
WHERE {useful} AND starts_with(id::text, %s) ORDER BY newest.id DESC LIMIT {OFFERED}
"""
    for table, useful in {
        "dead_letters": WAITING,
        "malformed_intents": "true",
        "operator_actions": "true",
        "intents_losses": "true",
    }.items()
}
_HEX = re.compile(r"[0-9a-f]{1,32}")


def notifications_that_begin(database: Database, text: str) -> list[str]:
    """Returns ids of notifications that begin with the text; the newest ones if it is empty."""
    if not text:
        return _column(database, _NEWEST_NOTIFICATIONS)
    digits = text.lower().replace("-", "")
    if not _HEX.fullmatch(digits):
        return []
    first, last = uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))
    return _column(database, _NOTIFICATIONS, str(first), str(last))


def keys_that_begin(database: Database, text: str) -> list[str]:
    """Returns idempotency keys that begin with the text."""
    return [key for key in dict.fromkeys(_column(database, _KEYS, text)) if key.startswith(text)]


def routes_that_begin(database: Database, notification_id: str, text: str) -> list[str]:
    """Returns route ids of one notification that begin with the text; none if there is no such notification."""
    try:
        found = str(uuid.UUID(notification_id))
    except ValueError:
        return []
    return _column(database, _ROUTES, found, text)


def numbers_that_begin(database: Database, table: str, text: str) -> list[str]:
    """Returns the newest numbers of dead letters that wait, malformed intents, actions or losses, by their table."""
    return _column(database, _NUMBERS[table], text)


def _column(database: Database, sql: str, *parameters: str) -> list[str]:
    return [value for (value,) in database.rows(sql, parameters)]
