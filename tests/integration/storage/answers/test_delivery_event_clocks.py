"""Delivery events of sources whose clocks are wrong."""

import time
from datetime import timedelta

from publisher.domain.delivery_event import DeliveryEvent, EventKind
from publisher.domain.instants import from_milliseconds
from publisher.domain.mail_outcome import MailOutcome, MailState
from storage.answers.delivery_events import IncomingEvent, record_events
from storage.database import Database
from storage.mail.deliveries import Wanted, begin_due_mail, begin_mail
from storage.mail.outcomes import record_mail
from tests.factories import accepted, delivery_event
from tests.integration.rows import all_routes, execute, rows

TTL = timedelta(seconds=30)


def record(database: Database, event: DeliveryEvent) -> None:
    """Records one event, as its entry comes."""
    with database.unit() as connection, connection.atomic():
        record_events(connection, [IncomingEvent(event)])


def test_an_event_of_the_future_counts_as_of_now(database: Database) -> None:
    """A source whose clock is wrong does not outrank all that comes after it; its own instant stays on record (R32)."""
    [intent] = accepted(database, [{"channels_json": ["email"]}]).accepted
    delivery = f"{intent.intent.notification_id}/{intent.routes[0].route_id}"
    soon = from_milliseconds(time.time_ns() // 1_000_000) + timedelta(hours=1)
    first = delivery_event(
        delivery_id=delivery, event_id="1", event=EventKind.BOUNCED, occurred_at=soon + timedelta(days=300)
    )
    record(database, first)
    execute(database, "UPDATE routes SET answered_at = answered_at - interval '1 minute'")

    record(database, delivery_event(delivery_id=delivery, event_id="2", event=EventKind.FAILED, occurred_at=soon))

    [route] = all_routes(database)
    assert (route["answer"], route["answered_at"] < soon) == ("failed", True)
    kept = rows(database, "SELECT occurred_at FROM delivery_events ORDER BY id")
    assert [row["occurred_at"] for row in kept] == [soon + timedelta(days=300), soon]


def test_the_mail_service_answers_by_the_databases_clock(database: Database) -> None:
    """A message that one machine deferred, and one whose clock is behind sent, is answered accepted (R5, R32)."""
    [intent] = accepted(database, [{"channels_json": ["email"]}]).accepted
    delivery = f"{intent.intent.notification_id}/{intent.routes[0].route_id}"
    now = from_milliseconds(time.time_ns() // 1_000_000)
    deferred = delivery_event(delivery_id=delivery, event_id="1", event=EventKind.DEFERRED, occurred_at=now)
    behind = delivery_event(
        delivery_id=delivery, event_id="2", event=EventKind.ACCEPTED, occurred_at=now - timedelta(minutes=5)
    )
    begin_mail(database, [Wanted(delivery, "1-0")], "one", TTL, take_over=True)
    record_mail(database, "one", [MailOutcome(delivery, MailState.WAITING, deferred, timedelta(0), '{"a": "1"}')], TTL)

    begin_due_mail(database, "two", TTL, 1)
    record_mail(database, "two", [MailOutcome(delivery, MailState.SENT, behind)], TTL)

    [route] = all_routes(database)
    assert (route["answer"], route["answered_at"] >= now) == ("accepted", True)
    kept = rows(database, "SELECT occurred_at FROM delivery_events ORDER BY id")
    assert [row["occurred_at"] for row in kept] == [deferred.occurred_at, behind.occurred_at]
