"""Delivery events on record: each once, and of each route the answer of the highest rank (R32)."""

from datetime import timedelta
from typing import Any

import pytest

from publisher.domain.delivery_event import EventKind, Fault, Permanence
from storage.answers.delivery_events import IncomingEvent, RecordedEvents, record_events
from storage.database import Database
from storage.retention import prune_notifications
from tests.factories import INSTANT, accepted, delivery_event
from tests.integration.old_notifications import DAYS, ended
from tests.integration.rows import FINAL, REOPENED, all_routes, bury_something, change, count, one_route, rows

SECOND = timedelta(seconds=1)
UNKNOWN = "00000000-0000-5000-8000-000000000000/email:user:7"


def deliveries(database: Database, users: int = 1) -> list[str]:
    """The delivery ids of a notification's emails to so many users, in the order of the routes' keys."""
    recipients = [{"user_id": str(n), "email": f"user{n}@example.com"} for n in range(users)]
    accepted(database, [{"recipients_json": recipients, "channels_json": ["email"]}])
    return [f"{route['notification_id']}/{route['route_id']}" for route in all_routes(database)[-users:]]


def incoming(delivery_id: str, event: EventKind = EventKind.ACCEPTED, **fields: Any) -> IncomingEvent:
    """An event of this delivery that came by no entry."""
    return IncomingEvent(delivery_event(delivery_id=delivery_id, event=event, **fields))


def record(database: Database, *events: IncomingEvent) -> RecordedEvents:
    """Records these in one transaction."""
    with database.unit() as connection, connection.atomic():
        return record_events(connection, events)


def answers(database: Database) -> list[tuple[Any, ...]]:
    """(answer, seconds of its instant after INSTANT, complained) of each route."""
    return [
        (r["answer"], r["answered_at"] and (r["answered_at"] - INSTANT).total_seconds(), r["complained"])
        for r in all_routes(database)
    ]


def test_an_event_is_recorded_with_all_that_it_says(database: Database) -> None:
    """With the route's channel and the entry that it came by."""
    [delivery] = deliveries(database)
    event = delivery_event(
        event_id="e-1",
        delivery_id=delivery,
        event=EventKind.BOUNCED,
        source="ses",
        permanence=Permanence.PERMANENT,
        fault=Fault.RECIPIENT,
        code="550",
        enhanced_code="5.1.1",
        diagnostic='no "such" user, \\ {a***@example.com}',
        provider_ref="0100",
        detail_json='{"a": [1, "\\u00fc"]}',
    )

    record(database, IncomingEvent(event, "7-0"))

    [row] = rows(database, "SELECT * FROM delivery_events")
    [route] = all_routes(database)
    assert row.pop("id")
    assert row.pop("recorded_at")
    assert row == {
        "route_key": route["id"],
        "channel": "email",
        "source": "ses",
        "event_id": "e-1",
        "event": "bounced",
        "occurred_at": INSTANT,
        "permanence": "permanent",
        "fault": "recipient",
        "code": "550",
        "enhanced_code": "5.1.1",
        "diagnostic": 'no "such" user, \\ {a***@example.com}',
        "provider_ref": "0100",
        "detail": {"a": [1, "ü"]},
        "stream_entry_id": "7-0",
    }


def test_an_event_is_recorded_once(database: Database) -> None:
    """By source and event id, in one batch and in two; another source may give the same id."""
    [delivery] = deliveries(database)
    first, again = incoming(delivery, event_id="1"), incoming(delivery, EventKind.FAILED, event_id="1")
    other = incoming(delivery, event_id="1", source="ses")

    assert record(database, first, again) == RecordedEvents((first,), (again,))
    assert record(database, again, other) == RecordedEvents((other,), (again,))
    assert count(database, "delivery_events") == 2
    assert answers(database) == [("accepted", 0, False)]


@pytest.mark.parametrize(
    "delivery_id",
    ["", "/", "no id", "7/email:user:0", UNKNOWN, "{id}", "{id}/", "{id}/email:user:1", "{ID}/email:user:0"],
)
def test_an_event_of_an_unknown_delivery_is_not_recorded(database: Database, delivery_id: str) -> None:
    """Whether it has the form of a delivery id or not; the others of the batch are."""
    [known] = deliveries(database)
    id_ = known.partition("/")[0]
    good, stray = incoming(known), incoming(delivery_id.format(id=id_, ID=id_.upper()))

    assert record(database, stray, good) == RecordedEvents((good,), unknown=(stray,))
    assert count(database, "delivery_events") == 1


def test_the_answer_rises_in_rank_and_never_falls(database: Database) -> None:
    """Whatever comes late, in one batch or in several (R32)."""
    [delivery] = deliveries(database)
    seen = []
    for seconds, kind in enumerate(
        ("deferred", "accepted", "delivered", "accepted", "complained", "bounced", "delivered", "failed")
    ):
        record(database, incoming(delivery, EventKind(kind), occurred_at=INSTANT + seconds * SECOND))
        seen += answers(database)

    assert seen == [
        ("deferred", 0, False),
        ("accepted", 1, False),
        ("delivered", 2, False),
        ("delivered", 2, False),
        ("delivered", 2, True),
        ("bounced", 5, True),
        ("bounced", 5, True),
        ("failed", 7, True),
    ]


def test_of_equal_rank_the_later_event_counts(database: Database) -> None:
    """By when it happened, and not by when it came; of one instant the last that is recorded."""
    [delivery] = deliveries(database)

    record(database, incoming(delivery, EventKind.BOUNCED, occurred_at=INSTANT + SECOND))
    record(database, incoming(delivery, EventKind.REJECTED))
    assert answers(database) == [("bounced", 1, False)]

    record(database, incoming(delivery, EventKind.FAILED, occurred_at=INSTANT + SECOND))
    assert answers(database) == [("failed", 1, False)]


def test_a_complaint_alone_is_no_answer(database: Database) -> None:
    """It is a flag that stays."""
    [delivery] = deliveries(database)
    record(database, incoming(delivery, EventKind.COMPLAINED))
    assert answers(database) == [(None, None, True)]

    record(database, incoming(delivery))
    assert answers(database) == [("accepted", 0, True)]


def test_a_batch_gives_each_route_its_best(database: Database) -> None:
    """Several events of one route and several routes, in any order."""
    first, second = deliveries(database, 2)
    batch = [
        incoming(second, EventKind.DELIVERED),
        incoming(first, EventKind.FAILED, occurred_at=INSTANT + SECOND),
        incoming(second, EventKind.COMPLAINED),
        incoming(first, EventKind.BOUNCED),
        incoming(second, EventKind.DEFERRED, occurred_at=INSTANT + SECOND),
    ]

    assert record(database, *batch) == RecordedEvents(tuple(batch))
    assert answers(database) == [("failed", 1, False), ("delivered", 0, True)]


def test_an_event_that_is_known_changes_no_answer(database: Database) -> None:
    """Its second version is not recorded, and so does not count."""
    [delivery] = deliveries(database)
    record(database, incoming(delivery, event_id="1"))
    record(database, incoming(delivery, EventKind.FAILED, event_id="1"), incoming(delivery, EventKind.DEFERRED))

    assert answers(database) == [("deferred", 0, False)]


def test_an_event_that_changes_no_answer_writes_no_route(database: Database) -> None:
    """A route has many indexes: each new version of it costs an entry in all of them."""
    [delivery] = deliveries(database)
    record(database, incoming(delivery, EventKind.DELIVERED), incoming(delivery, EventKind.COMPLAINED))
    version = rows(database, "SELECT xmin::text FROM routes")

    record(database, incoming(delivery), incoming(delivery, EventKind.COMPLAINED))

    assert rows(database, "SELECT xmin::text FROM routes") == version
    assert count(database, "delivery_events") == 4


@pytest.mark.parametrize("status", [*FINAL, "pending"])
def test_a_route_is_answered_whatever_its_status(database: Database, status: str) -> None:
    """An event may come before the publishing is recorded; the route itself stays as it is, its last change too."""
    bury_something(database)
    [delivery] = deliveries(database)
    [before] = all_routes(database)
    change(database, [before["id"]], FINAL.get(status, REOPENED))
    before = one_route(database, before["id"])

    record(database, incoming(delivery))

    assert one_route(database, before["id"]) == before | {"answer": "accepted", "answered_at": INSTANT}


def test_no_events_take_no_statement(database: Database) -> None:
    """An empty batch has an empty result."""
    assert record(database) == RecordedEvents()


def test_events_go_with_their_notification(database: Database) -> None:
    """Pruning takes them along, and an event that comes later is of an unknown delivery."""
    old, young = ended(database), ended(database, days=29)
    first, second = (f"{id_}/email:user:7" for id_ in (*old, *young))
    record(database, incoming(first), incoming(first, EventKind.DELIVERED), incoming(second))

    prune_notifications(database, DAYS)

    assert count(database, "delivery_events") == 1
    late = incoming(first, EventKind.DELIVERED)
    assert record(database, late).unknown == (late,)
