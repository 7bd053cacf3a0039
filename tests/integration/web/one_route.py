"""A notification of one route, which goes to an address; and the forms of the page that shows it."""

import html
import re
from typing import Any

from storage.database import Database
from tests.factories import accepted
from tests.integration.rows import FINAL, all_routes, change, execute

ADDRESS = "ann.lee@example.com"
FIELDS: dict[str, Any] = {
    "audience_kind": "admin_email",
    "idempotency_key": "turn-17",
    "recipients_json": [{"email": ADDRESS}],
    "channels_json": ["email"],
    "payload_json": {"to": ADDRESS, "turn": 17},
}


def accept_one(database: Database) -> int:
    """Accepts the notification, and returns the key of its route."""
    accepted(database, [FIELDS])
    return int(all_routes(database)[0]["id"])


def buried(database: Database, route: int, classification: str = "gateway_stream_publish_failed") -> None:
    """Makes the route a dead letter."""
    execute(
        database,
        "INSERT INTO dead_letters (notification_id, route_id, channel, notification_type, classification, message,"
        " attempt_count, max_attempts, dead_lettered_at) SELECT n.notification_id, r.route_id, 'email', 'test', %s, '',"
        " 16, 16, now() FROM routes AS r JOIN notifications AS n ON n.id = r.notification_key WHERE r.id = %s",
        classification,
        route,
    )
    change(database, [route], f"{FINAL['dead_letter']}, last_failure_classification = '{classification}'")


def forms(text: str) -> list[dict[str, str]]:
    """The hidden fields of each form that carries out a remedy."""
    found = re.findall(r'action="/find/act">(.*?)</form>', text, re.DOTALL)
    return [
        {name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form)}
        for form in found
    ]
