"""The answers to given notifications, as a demo counts them (R32)."""

from publisher.domain.delivery_event import EventKind
from storage.answers_among import count_accepted, count_settled
from storage.database import Database
from storage.delivery_events import IncomingEvent, record_events
from tests.factories import accepted, delivery_event
from tests.integration.rows import all_routes

USERS = 5


def test_answers_are_counted_of_the_given_notifications_and_channel(database: Database) -> None:
    """A route is settled by any answer but `deferred`. Events are counted, and not the routes that have them."""
    recipients = [{"user_id": str(n), "email": f"user{n}@example.com"} for n in range(USERS)]
    accepted(database, [{"recipients_json": recipients}, {"idempotency_key": "another"}])
    routes = [(route["channel"], f"{route['notification_id']}/{route['route_id']}") for route in all_routes(database)]
    email = [delivery for channel, delivery in routes if channel == "email"]
    [on_push, *_] = [delivery for channel, delivery in routes if channel == "push"]
    one, twice, bounced, deferred, _, elsewhere = email
    events = [
        *((delivery, EventKind.ACCEPTED) for delivery in (one, twice, twice, elsewhere, on_push)),
        (bounced, EventKind.BOUNCED),
        (deferred, EventKind.DEFERRED),
    ]
    with database.unit() as connection, connection.atomic():
        record_events(
            connection, [IncomingEvent(delivery_event(delivery_id=delivery, event=kind)) for delivery, kind in events]
        )

    ids = [one.partition("/")[0]]
    assert count_accepted(database, ids, "email") == {one: 1, twice: 2}
    assert count_settled(database, ids, "email") == 3
