"""The fingerprints of what was accepted, by which a repetition is told from an idempotency conflict (R18).

A fingerprint is a text of 64 hexadecimal digits everywhere but in the tables, which hold the 32 bytes.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import peewee

from storage.database import Database, fetch


@dataclass(frozen=True, slots=True)
class Accepted:
    """What is known of an accepted intent.

    fingerprint: of its content.
    entry_id: the entry it was accepted from. None: not kept, or the notification was pruned.
    """

    fingerprint: str
    entry_id: str | None


# The text of a stored fingerprint, and the bytes of one that is a text.
FINGERPRINT = "encode(request_fingerprint, 'hex')"
STORED_FINGERPRINT = "decode(fingerprint, 'hex')"

# A pruned notification leaves its fingerprint in pruned_notifications for a while. One statement reads both tables, so
# that a notification that is pruned at this moment is found in one of them.
_ACCEPTED = f"""/* accepted_among */
SELECT notification_id::text, {FINGERPRINT}, intent_entry_id
FROM notifications WHERE notification_id = ANY(%(ids)s::uuid[])
UNION ALL
SELECT notification_id::text, {FINGERPRINT}, NULL
FROM pruned_notifications WHERE notification_id = ANY(%(ids)s::uuid[])
"""


def accepted_among(connection: peewee.PostgresqlDatabase, notification_ids: Collection[str]) -> Mapping[str, Accepted]:
    """Returns those of these notifications that were accepted, by id, within the caller's unit."""
    rows = fetch(connection, _ACCEPTED, {"ids": list(notification_ids)})
    return {id_: Accepted(fingerprint, entry_id) for id_, fingerprint, entry_id in rows}


def accepted_fingerprints(database: Database, notification_ids: Collection[str]) -> dict[str, str]:
    """Returns the fingerprints of those of these notifications that were accepted, by id."""
    if not notification_ids:
        return {}
    with database.unit() as connection:
        return {id_: accepted.fingerprint for id_, accepted in accepted_among(connection, notification_ids).items()}
