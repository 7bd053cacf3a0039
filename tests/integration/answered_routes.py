"""Routes with answers and delivery events as they stand once they were recorded, and what a mail service did."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from storage.database import Database
from tests.integration.rows import due_routes, execute, one_route


def published_routes(
    database: Database, count: int, channel: str = "email", *, ago: timedelta = timedelta(0)
) -> Sequence[int]:
    """The keys of so many routes of one new notification, published so long ago."""
    ids = due_routes(database, count, channel)
    execute(
        database,
        "UPDATE routes SET status = 'published', next_attempt_at = NULL, published_at = now() - %s,"
        " stream_entry_id = '17-' || id WHERE id = ANY(%s)",
        ago,
        ids,
    )
    return ids


def answer(
    database: Database,
    route: int,
    event: str,
    *,
    source: str = "mailer",
    fault: str | None = None,
    diagnostic: str | None = None,
    ago: timedelta = timedelta(0),
) -> None:
    """The route got this event so long ago, and it is its answer; a complaint is none, and marks it."""
    channel = one_route(database, route)["channel"]
    permanence, codes = (None, (None, None)) if fault is None else ("permanent", ("550", "5.1.1"))
    at = datetime.now(UTC) - ago
    execute(
        database,
        "INSERT INTO delivery_events (route_key, channel, source, event_id, event, occurred_at, recorded_at,"
        " permanence, fault, code, enhanced_code, diagnostic)"
        " VALUES (%s, %s, %s, gen_random_uuid()::text, %s, %s, %s, %s, %s, %s, %s, %s)",
        *(route, channel, source, event, at, at, permanence, fault, *codes, diagnostic),
    )
    if event == "complained":
        execute(database, "UPDATE routes SET complained = true WHERE id = %s", route)
    else:
        execute(database, "UPDATE routes SET answer = %s, answered_at = %s WHERE id = %s", event, at, route)


def mail(database: Database, route: int | None, state: str, *, tries: int = 0, unsure: int = 0) -> None:
    """What the mail service has on record of the route's delivery: due in, begun for or ended since an hour.

    route: None: a delivery of no route.
    """
    columns = {
        "begun": ("lease_token, lease_expires_at", "'t', now() + interval '1 hour'"),
        "waiting": ("next_attempt_at, command", "now() + interval '1 hour', '{}'"),
        "held": ("held_at, command", "now() - interval '1 hour', '{}'"),
        "sent": ("event, ended_at", "'accepted', now() - interval '1 hour'"),
        "given_up": ("event, ended_at", "'failed', now() - interval '1 hour'"),
    }
    names, values = columns[state]
    execute(
        database,
        f"INSERT INTO mail_deliveries (delivery_id, route_key, state, entry_id, tries, unsure, begun_at, {names})"
        f" VALUES (%s, %s, %s, '1-1', %s, %s, now() - interval '2 hours', {values})",
        *(f"delivery-{route}", route, state, tries, unsure),
    )
