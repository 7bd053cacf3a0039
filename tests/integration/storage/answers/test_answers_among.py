"""The answers to given notifications, as a demo counts them (R32)."""

from datetime import timedelta

from publisher.domain.delivery_event import EventKind
from storage.answers.answers_among import count_accepted, count_settled, last_refusal
from storage.answers.delivery_events import IncomingEvent, record_events
from storage.database import Database
from tests.factories import INSTANT, accepted, delivery_event
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


def test_the_last_refusal_is_read_of_the_given_notifications_and_channel(database: Database) -> None:
    """Whoever waits for an email reads why it was not taken, the last time (R32)."""
    accepted(database, [{}, {"idempotency_key": "another"}])
    routes = [(route["channel"], f"{route['notification_id']}/{route['route_id']}") for route in all_routes(database)]
    [email, other] = [delivery for channel, delivery in routes if channel == "email"]
    [push, *_] = [delivery for channel, delivery in routes if channel == "push"]
    ids = [email.partition("/")[0]]
    refusals = [(email, "421 at first"), (email, "451 at last"), (push, "no device"), (other, "another notification")]
    assert last_refusal(database, ids, "email") is None

    with database.unit() as connection, connection.atomic():
        record_events(
            connection,
            [
                IncomingEvent(
                    delivery_event(
                        delivery_id=delivery,
                        event=EventKind.DEFERRED,
                        diagnostic=words,
                        occurred_at=INSTANT + timedelta(seconds=n),
                    )
                )
                for n, (delivery, words) in enumerate(refusals)
            ],
        )

    assert last_refusal(database, ids, "email") == "451 at last"
