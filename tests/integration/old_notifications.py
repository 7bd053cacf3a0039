"""Notifications that are over and old, as retention meets them."""

from typing import Any

from storage.database import Database
from tests.factories import accepted
from tests.integration.rows import FINAL, change, execute, rows


def ended(database: Database, count: int = 1, *, days: float = 31, **fields: Any) -> list[str]:
    """The ids of so many new notifications, each with two published routes, of which nothing changed for so long."""
    batch = accepted(database, [fields] * count)
    change(database, [id_ for ids in batch.due.values() for id_ in ids], FINAL["published"])
    ids = [i.intent.notification_id for i in batch.accepted]
    age(database, ids, days)
    return ids


def age(database: Database, ids: list[str], days: float) -> None:
    """These notifications were accepted so long ago, and their routes last changed then."""
    execute(
        database,
        "UPDATE notifications SET accepted_at = now() - %s * interval '1 day' WHERE notification_id = ANY(%s::uuid[])",
        days,
        ids,
    )
    execute(
        database,
        # published_at as well: the loss audit would take one of today, which has no witness, for lost.
        "UPDATE routes SET updated_at = now() - given.age,"
        " published_at = CASE WHEN status = 'published' THEN now() - given.age END"
        " FROM (SELECT %s * interval '1 day' AS age) AS given WHERE notification_id = ANY(%s::uuid[])",
        days,
        ids,
    )


def kept(database: Database) -> set[str]:
    """The ids of the notifications that are there."""
    return {str(row["notification_id"]) for row in rows(database, "SELECT notification_id FROM notifications")}


def count(database: Database, table: str) -> int:
    """How many rows a table has."""
    return int(rows(database, f"SELECT count(*) FROM {table}")[0]["count"])
