"""Delivery events that are recorded at the same moment, and in any order, against a model of the answer (R32)."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from publisher.domain.delivery_event import DeliveryEvent, EventKind, outranks
from storage.answers.delivery_events import IncomingEvent, RecordedEvents, record_events
from storage.database import Database
from storage.mail.deliveries import Wanted, begin_mail
from tests.conftest import connected
from tests.factories import INSTANT, delivery_event
from tests.integration.rows import all_routes, count
from tests.integration.storage.accepting.test_accept_races import wait_for_locks
from tests.integration.storage.answers.test_delivery_events import deliveries, incoming, record


def model(events: list[DeliveryEvent]) -> tuple[object, ...]:
    """(answer, its instant, complained) after these events of one route."""
    answer = answered_at = None
    seen = set()
    for event in events:
        if event.event_id not in seen and outranks(event, answer, answered_at):
            answer, answered_at = event.event, event.occurred_at
        seen.add(event.event_id)
    complained = {e.event_id for e in events if e.event is EventKind.COMPLAINED}
    first = {e.event_id: e.event for e in reversed(events)}
    return answer, answered_at, any(first[id_] is EventKind.COMPLAINED for id_ in complained)


@pytest.mark.parametrize("seed", range(4))
def test_batches_of_any_events_give_the_answers_of_the_model(database: Database, seed: int) -> None:
    """With repetitions, events out of order and ids that come again with another content."""
    choose = random.Random(seed)
    ids = deliveries(database, 3)
    came: dict[str, list[DeliveryEvent]] = {id_: [] for id_ in ids}
    for _ in range(30):
        batch = []
        for _ in range(choose.randrange(6)):
            place = choose.randrange(3)
            event = delivery_event(
                event_id=f"{place}-{choose.randrange(40)}",
                delivery_id=ids[place],
                event=choose.choice(list(EventKind)),
                occurred_at=INSTANT + choose.randrange(4) * timedelta(seconds=1),
            )
            came[ids[place]].append(event)
            batch.append(IncomingEvent(event))
        record(database, *batch)

    told = [(r["answer"], r["answered_at"], r["complained"]) for r in all_routes(database)]
    assert told == [model(came[id_]) for id_ in ids]


def test_two_batches_in_reverse_order_do_not_deadlock(database: Database) -> None:
    """Each route's events are recorded by one statement at a time; the higher rank wins, whoever comes last."""
    ids = deliveries(database, 40)
    batches = [
        [incoming(id_, EventKind.ACCEPTED, event_id=f"a-{id_}") for id_ in ids],
        [incoming(id_, EventKind.DELIVERED, event_id=f"d-{id_}") for id_ in reversed(ids)],
    ] * 10

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda batch: record(database, *batch), batches))

    assert count(database, "delivery_events") == 80
    assert {r["answer"] for r in all_routes(database)} == {"delivered"}


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_a_route_that_is_changed_at_this_moment_is_waited_for(database: Database, database_url: str, end: str) -> None:
    """The answer is judged by the route as it is then, and not as it was when the statement began."""
    [id_] = deliveries(database)
    event = incoming(id_, EventKind.DELIVERED)
    with connected(database_url) as other, other.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE routes SET answer = 'failed', answered_at = now(), lane = 'urgent'")
        recording = thread.submit(record, database, event)
        wait_for_locks(database)
        cursor.execute(end)
        assert recording.result() == RecordedEvents((event,))

    [route] = all_routes(database)
    assert (route["answer"], route["lane"]) == (("failed", "urgent") if end == "COMMIT" else ("delivered", "normal"))


def test_a_route_that_is_pruned_at_this_moment_is_unknown(database: Database, database_url: str) -> None:
    """Its events would have nothing to belong to."""
    [id_] = deliveries(database)
    event = incoming(id_)
    with connected(database_url) as other, other.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute("BEGIN")
        cursor.execute("DELETE FROM routes")
        recording = thread.submit(record, database, event)
        wait_for_locks(database)
        cursor.execute("COMMIT")
        assert recording.result() == RecordedEvents(unknown=(event,))


def test_a_command_that_comes_again_while_its_outcome_is_recorded_does_not_deadlock(database: Database) -> None:
    """One locks the delivery and then its route, the other the route and then its delivery: both go on (R33)."""
    [id_] = deliveries(database)
    wanted = [Wanted(id_, "1-0")]
    ttl = timedelta(minutes=1)
    begin_mail(database, wanted, "mine", ttl, take_over=True)

    with ThreadPoolExecutor(2) as threads:
        with database.unit() as connection, connection.atomic():
            connection.execute_sql("UPDATE mail_deliveries SET tries = 1")
            again = threads.submit(begin_mail, database, wanted, "theirs", ttl, take_over=True)
            # On a connection of its own: within a transaction PostgreSQL shows the same activity again and again.
            threads.submit(wait_for_locks, database).result()
            recorded = record_events(connection, [incoming(id_)])
        begun, standing = again.result()

    assert (len(recorded.new), len(begun), len(standing)) == (1, 0, 1)
