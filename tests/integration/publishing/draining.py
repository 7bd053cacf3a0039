"""Makes routes due on email, publishes until no more is due, and counts what was published."""

from collections import Counter
from typing import Any

from publisher.publishing.publisher import Publisher
from storage.database import Database
from tests.factories import accepted
from tests.integration.rows import all_routes, make_due


def due(database: Database, count: int, **fields: Any) -> list[int]:
    """The keys of so many routes of a notification, due on email."""
    before = {row["id"] for row in all_routes(database)}
    recipients = [{"user_id": str(n), "email": f"user{n}@example.com"} for n in range(count)]
    accepted(database, [{**fields, "recipients_json": recipients, "channels_json": ["email"]}])
    make_due(database)
    return [row["id"] for row in all_routes(database) if row["id"] not in before]


def published(database: Database, by: str = "producer") -> Counter[str]:
    """How many routes were published, by this column."""
    return Counter(row[by] for row in all_routes(database) if row["status"] == "published")


def drain(by: Publisher, batches: int = 50) -> None:
    """Publishes until no more is due."""
    for _ in range(batches):
        if not by.publish_due("email").more:
            return
    raise AssertionError(f"more is due after {batches} batches")
