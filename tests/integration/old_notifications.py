"""Notifications that are over and old, as retention meets them."""

from datetime import timedelta
from typing import Any

from storage.database import Database
from storage.retention import Pruned, prune_notifications
from tests.factories import accepted
from tests.integration.rows import FINAL, all_routes, change, execute, rows

# The retention of these tests.
DAYS = timedelta(days=30)


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
        " FROM (SELECT %s * interval '1 day' AS age) AS given, notifications AS n"
        " WHERE n.id = notification_key AND n.notification_id = ANY(%s::uuid[])",
        days,
        ids,
    )


def bury(database: Database, notification_id: str) -> int:
    """Makes the notification's first route a dead letter with a recorded failure. Returns the dead letter's key."""
    route = next(r for r in all_routes(database) if str(r["notification_id"]) == notification_id)
    [letter] = rows(
        database,
        "INSERT INTO dead_letters (notification_id, route_id, channel, notification_type, classification, message,"
        " attempt_count, max_attempts, dead_lettered_at) VALUES (%s, %s, %s, 't', 'c', 'm', 1, 1, now()) RETURNING id",
        notification_id,
        route["route_id"],
        route["channel"],
    )
    execute(
        database,
        "UPDATE routes SET status = 'dead_letter', published_at = NULL, dead_lettered_at = now(), dead_letter_id = %s"
        " WHERE id = %s",
        letter["id"],
        route["id"],
    )
    execute(
        database,
        "INSERT INTO route_failures (route_key, attempt_number, classification, message, failed_at)"
        " VALUES (%s, 1, 'c', 'm', now())",
        route["id"],
    )
    return int(letter["id"])


def prune_all(database: Database, *, limit: int) -> list[Pruned]:
    """Prunes what is over for DAYS in batches of so many rows. Returns each batch, the last included."""
    batches = [prune_notifications(database, DAYS, limit=limit)]
    while batches[-1].last is not None:
        batches.append(prune_notifications(database, DAYS, after=batches[-1].last, limit=limit))
    return batches


def kept(database: Database) -> set[str]:
    """The ids of the notifications that are there."""
    return {str(row["notification_id"]) for row in rows(database, "SELECT notification_id FROM notifications")}
