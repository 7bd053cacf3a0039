"""Reads the payloads of notifications, for a person to see."""

from collections.abc import Collection, Mapping

from storage.database import Database

# By notifications_identity. The column keeps the text as the producer wrote it.
_READ = """/* read_payloads */
SELECT notification_id::text, left(payload::text, %(most)s), length(payload::text) > %(most)s
FROM notifications WHERE notification_id = ANY(%(ids)s::uuid[])
"""


def read_payloads(database: Database, notification_ids: Collection[str], most: int) -> Mapping[str, tuple[str, bool]]:
    """Returns the JSON text of each of these notifications' payloads, and whether it was cut after `most` characters.

    By notification id; one that does not exist is left out.
    """
    rows = database.rows(_READ, {"ids": list(notification_ids), "most": most})
    return {id_: (text, is_cut) for id_, text, is_cut in rows}
