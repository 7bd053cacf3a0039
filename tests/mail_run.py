"""What the tests of the mail service share: its environment, and where its deliveries stand."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from publisher.channels.email import EMAIL
from storage.database import Database
from tests.integration.rows import rows
from tests.smtp_servers import HostileSmtp, hostile_smtp

TEMPLATES = Path(__file__).parent.parent / "publisher" / "local" / "templates"
GROUP = "mail-service"


@contextmanager
def mail_server(environ: dict[str, str]) -> Iterator[HostileSmtp]:
    """An SMTP server, which the processes of this environment send to."""
    with hostile_smtp() as server:
        environ.update(
            {
                "PUBLISHER_SMTP_URL": server.url,
                "PUBLISHER_MAIL_FROM": "Example <hello@example.com>",
                "PUBLISHER_MAIL_TEMPLATES": str(TEMPLATES),
                "PUBLISHER_MAIL_BACKOFF_MIN": "0.1",
                "PUBLISHER_SMTP_TIMEOUT": "5",
            }
        )
        yield server


def states(database: Database) -> Counter[str]:
    """How many deliveries are in each state."""
    return Counter(row["state"] for row in rows(database, "SELECT state FROM mail_deliveries"))


def answers(database: Database) -> Counter[str | None]:
    """How many routes have each answer."""
    return Counter(row["answer"] for row in rows(database, "SELECT answer FROM routes"))


def events(database: Database, delivery_id: str | None = None) -> list[str]:
    """The events of a delivery, or of all, in the order in which they were recorded."""
    found = rows(
        database,
        "SELECT e.event FROM delivery_events AS e JOIN routes AS r ON r.id = e.route_key"
        " JOIN notifications AS n ON n.id = r.notification_key"
        " WHERE %s::text IS NULL OR n.notification_id || '/' || r.route_id = %s ORDER BY e.id",
        delivery_id,
        delivery_id,
    )
    return [row["event"] for row in found]


def pending(client: redis.Redis) -> int:
    """How many commands the group has read and not acknowledged."""
    return int(client.xpending(EMAIL.stream, GROUP)["pending"])


def is_all_read(client: redis.Redis) -> bool:
    """Whether every command is read and acknowledged."""
    groups = client.xinfo_groups(EMAIL.stream)
    last = client.xinfo_stream(EMAIL.stream)["last-generated-id"]
    return bool(groups) and all(g["pending"] == 0 and g["last-delivered-id"] == last for g in groups)
