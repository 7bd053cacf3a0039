"""Fills a database so that every text which a page shows is an attempt at script."""

from publisher.operations.channels.channels import pause
from publisher.operations.holds.holds import HoldCriteria, add
from storage.database import Database
from tests.acceptance.final_routes import BURY, PUBLISH
from tests.acceptance.malformed_intents import record_intent
from tests.factories import CHANNELS, accepted
from tests.integration.rows import execute

ATTEMPT = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>"
# An intent may have no longer one in its key, but anybody may type one.
LONG_ID = "x" * 500


def fill(database: Database) -> None:
    """Adds routes that are dead, published and held, malformed intents, holds, and channels that are paused."""
    fields = {
        "producer": ATTEMPT,
        "idempotency_key": ATTEMPT * 4,
        "payload_json": {ATTEMPT: ATTEMPT},
        "recipients_json": [{"user_id": ATTEMPT, "email": f"{ATTEMPT}@example.com"}],
    }
    accepted(database, [fields])
    execute(database, BURY)
    execute(database, "UPDATE dead_letters SET message = %s", ATTEMPT)
    execute(
        database,
        "INSERT INTO route_failures (route_key, attempt_number, classification, message, failed_at)"
        " SELECT id, 1, 'email_failed', %s, now() FROM routes",
        ATTEMPT,
    )
    accepted(database, [fields | {"idempotency_key": ATTEMPT}])
    execute(database, f"{PUBLISH} WHERE status = 'pending'")
    record_intent(database, **{**fields, "notification_type": ATTEMPT, "channels_json": [ATTEMPT], ATTEMPT: ATTEMPT})
    execute(database, "UPDATE malformed_intents SET failure_message = %s", ATTEMPT)
    for channel in CHANNELS:
        pause(database, channel, ATTEMPT, ATTEMPT)
    add(database, HoldCriteria(producer=ATTEMPT, recipient_ref=f"user:{ATTEMPT}"), ATTEMPT, ATTEMPT)
