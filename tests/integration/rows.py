"""Rows as they stand in the tables, and time made to pass for them by SQL."""

from collections.abc import Collection
from typing import Any

from storage.database import Database
from tests.factories import accepted


def rows(database: Database, sql: str, *parameters: object) -> list[dict[str, Any]]:
    """The rows of a statement, by column name."""
    with database.unit() as connection:
        cursor = connection.execute_sql(sql, parameters or None)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def execute(database: Database, sql: str, *parameters: object) -> None:
    """Runs a statement that returns nothing."""
    with database.unit() as connection:
        connection.execute_sql(sql, parameters or None)


def count(database: Database, table: str = "notifications") -> int:
    """How many rows the table has. table: may end with a WHERE clause."""
    return int(rows(database, f"SELECT count(*) AS count FROM {table}")[0]["count"])


def malformed_codes(database: Database) -> list[tuple[str, str]]:
    """Every malformed entry's id and failure code, in the order of their records."""
    found = rows(database, "SELECT stream_entry_id, failure_code FROM malformed_intents ORDER BY id")
    return [(m["stream_entry_id"], m["failure_code"]) for m in found]


_ROUTES = "SELECT routes.*, n.notification_id FROM routes LEFT JOIN notifications AS n ON n.id = notification_key"


def all_routes(database: Database) -> list[dict[str, Any]]:
    """Every route, by key, with the id of its notification."""
    return rows(database, f"{_ROUTES} ORDER BY routes.id")


def one_route(database: Database, id_: int) -> dict[str, Any]:
    """The route of this key, with the id of its notification."""
    return rows(database, f"{_ROUTES} WHERE routes.id = %s", id_)[0]


def change(database: Database, ids: Collection[int], assignments: str) -> None:
    """Changes columns of these routes; the assignments are SQL."""
    execute(database, f"UPDATE routes SET {assignments} WHERE id = ANY(%s)", list(ids))


def expire_leases(database: Database) -> None:
    """Every lease ran out a second ago."""
    execute(database, "UPDATE routes SET lease_expires_at = now() - interval '1 second' WHERE lease_token IS NOT NULL")


def make_due(database: Database) -> None:
    """Every open route has been due for a second."""
    execute(
        database, "UPDATE routes SET next_attempt_at = now() - interval '1 second' WHERE next_attempt_at IS NOT NULL"
    )


def due_routes(database: Database, count: int, channel: str = "email") -> list[int]:
    """The keys of this many new routes of one notification, due now, in the order in which they are due."""
    recipients = [{"user_id": str(n), "email": f"user{n}@example.com"} for n in range(count)]
    due = accepted(database, [{"recipients_json": recipients, "channels_json": [channel]}]).due[channel]
    execute(
        database,
        "UPDATE routes SET next_attempt_at = now() - interval '1 hour' + place * interval '1 second'"
        " FROM unnest(%s::bigint[]) WITH ORDINALITY AS given (id, place) WHERE routes.id = given.id",
        due,
    )
    return due


# Columns of a route in each final status, which a CHECK constraint wants together.
FINAL = {
    "published": "status = 'published', next_attempt_at = NULL, published_at = now()",
    "dead_letter": (
        "status = 'dead_letter', next_attempt_at = NULL, dead_lettered_at = now(),"
        " dead_letter_id = (SELECT id FROM dead_letters LIMIT 1)"
    ),
    "skipped": "status = 'skipped', next_attempt_at = NULL",
    "expired": "status = 'expired', next_attempt_at = NULL, expires_at = now()",
    "cancelled": "status = 'cancelled', next_attempt_at = NULL, cancel_requested_at = now(), cancelled_by = 'ann'",
}
# A published route that is open and due again.
REOPENED = "status = 'pending', published_at = NULL, next_attempt_at = now() - interval '1 second'"


def bury_something(database: Database) -> None:
    """A row in dead_letters, for routes to point at."""
    execute(
        database,
        "INSERT INTO dead_letters (notification_id, route_id, channel, notification_type, classification, message,"
        " attempt_count, max_attempts, dead_lettered_at)"
        " VALUES (gen_random_uuid(), 'email:user:0', 'email', 'test', 'test', 'test', 1, 1, now())",
    )
