"""Deliveries as they stand after the mail service sent them, for tests of what comes back."""

from storage.database import Database
from tests.factories import accepted
from tests.integration.rows import all_routes, execute

ADDRESS = "ann@example.com"


def sent_mail(database: Database, address: str = ADDRESS, *, state: str = "sent", days_ago: float = 0) -> str:
    """Returns the delivery id of an email that the mail service sent to this address so many days ago.

    state: of the delivery; empty: the mail service knows none.
    """
    accepted(database, [{"recipients_json": [{"user_id": "7", "email": address}], "channels_json": ["email"]}])
    route = all_routes(database)[-1]
    delivery_id = f"{route['notification_id']}/{route['route_id']}"
    execute(
        database,
        "UPDATE routes SET status = 'published', next_attempt_at = NULL, published_at = now() WHERE id = %s",
        route["id"],
    )
    if state:
        columns = "lease_token, lease_expires_at" if state == "begun" else "event, ended_at"
        values = "'t', now()" if state == "begun" else "'accepted', now() - %(days)s * interval '1 day'"
        execute_named(
            database,
            f"INSERT INTO mail_deliveries (delivery_id, route_key, state, entry_id, begun_at, {columns})"
            f" VALUES (%(id)s, %(route)s, %(state)s, '1-1', now() - %(days)s * interval '1 day', {values})",
            id=delivery_id,
            route=route["id"],
            state=state,
            days=days_ago,
        )
    return delivery_id


def held_mail(database: Database, address: str = ADDRESS, *, hours_ago: float = 0) -> str:
    """Returns the delivery id of an email that an operator is to decide about since so many hours."""
    delivery_id = sent_mail(database, address)
    execute(
        database,
        "UPDATE mail_deliveries SET state = 'held', event = NULL, ended_at = NULL, unsure = 1, tries = 2,"
        " command = '{\"delivery_id\": \"x\"}', held_at = now() - %s * interval '1 hour' WHERE delivery_id = %s",
        hours_ago,
        delivery_id,
    )
    return delivery_id


def execute_named(database: Database, sql: str, **parameters: object) -> None:
    """Runs a statement with named parameters."""
    with database.unit() as connection:
        connection.execute_sql(sql, parameters)
