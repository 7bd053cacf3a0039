"""Cancellations beside acceptances, prunings and each other at the same moment: no order loses one (R15, R28)."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psycopg2.extensions
import pytest

from storage.accepting.accept_statement import (
    ACCEPT,
    parameters_of_handover,
    parameters_of_intents,
    parameters_of_routes,
)
from storage.cancelling.cancellations import Cancelled, cancel_intents
from storage.database import Database, fetch
from storage.dead_letters import requeue
from tests.conftest import connected
from tests.factories import INTENTS, accept, accepted, incoming
from tests.integration.rows import FINAL, all_routes, bury_something, change, execute, rows
from tests.integration.storage.accepting.test_accept_races import wait_for_locks
from tests.integration.storage.cancelling.test_cancellations import KEY, answers, asking, statuses

CANCELLED = [("cancelled", "producer game-service")] * 2


@contextmanager
def cancelling(database: Database) -> Iterator[Future[Cancelled]]:
    """An intake that cancels the intent, in a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(cancel_intents, database, [asking()])


@contextmanager
def in_transaction(url: str, *statements: str) -> Iterator[psycopg2.extensions.connection]:
    """A transaction that has run these statements, and is still open."""
    with connected(url) as connection, connection.cursor() as cursor:
        for statement in ("BEGIN", *statements):
            cursor.execute(statement)
        yield connection


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_a_cancellation_waits_for_an_acceptance_in_flight(database: Database, database_url: str, end: str) -> None:
    """It cancels the routes that the acceptance commits; if that is given up, it waits for the intent."""
    made = incoming(idempotency_key=KEY)
    parameters = {
        **parameters_of_intents([(made.entry_id, made.intent)]),
        **parameters_of_routes([(1, made.intent, route) for route in made.routes]),
        **parameters_of_handover(None),
    }
    with connected(database_url) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(ACCEPT, parameters)
        with cancelling(database) as working:
            wait_for_locks(database)
            cursor.execute(end)
            working.result()

    assert statuses(database) == (CANCELLED if end == "COMMIT" else [])
    assert answers(database) == [(True, False, 2, 0, 0) if end == "COMMIT" else (False, True, 0, 0, 0)]


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_an_acceptance_waits_for_a_cancellation_in_flight(
    database: Database, database_url: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its routes are inserted as cancelled once the cancellation commits, and are pending if that is given up."""
    with connected(database_url) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        id_ = asking().cancellation.notification_id
        cursor.execute(
            "INSERT INTO cancellations (notification_id, producer, idempotency_key, intent_entry_id, requested_at,"
            " awaits_intent) VALUES (%s, 'game-service', %s, '9-0', now(), true)",
            [id_, KEY],
        )
        cursor.execute(
            "INSERT INTO notifications (notification_id, notification_type, producer, audience_kind, idempotency_key,"
            " payload, occurred_at, request_fingerprint, accepted_at)"
            " VALUES (%s, '', '', '', '', '{}', now(), '', now())",
            [id_],
        )
        cursor.execute("DELETE FROM notifications WHERE notification_id = %s", [id_])
        with ThreadPoolExecutor(1) as thread:
            accepting = thread.submit(accept, database, INTENTS, [incoming(idempotency_key=KEY)], [])
            wait_for_locks(database)
            cursor.execute(end)
            batch = accepting.result()

    assert len(batch.accepted) == 1
    assert statuses(database) == (CANCELLED if end == "COMMIT" else [("pending", None)] * 2)
    assert answers(database) == ([(True, False, 2, 0, 0)] if end == "COMMIT" else [])


def test_two_intakes_with_the_same_cancellations_do_not_deadlock(database: Database, database_url: str) -> None:
    """Held in opposite orders, each is recorded once, and the other intake finds it known."""
    asked = sorted((asking(f"k{n}", f"9-{n}") for n in range(5)), key=lambda a: a.cancellation.notification_id)
    middle = asked[2].cancellation.notification_id
    holding = (
        "INSERT INTO cancellations (notification_id, producer, idempotency_key, intent_entry_id, requested_at)"
        f" VALUES ('{middle}', 'x', 'x', 'x', now())"
    )
    with in_transaction(database_url, holding) as other, ThreadPoolExecutor(2) as threads:
        both = [threads.submit(cancel_intents, database, order) for order in (asked, asked[::-1])]
        wait_for_locks(database, 2)
        other.cursor().execute("ROLLBACK")
        done = [each.result() for each in both]

    assert sorted(len(each.new) for each in done) == [0, 5]
    assert sorted(len(each.known) for each in done) == [0, 5]


def test_a_notification_that_is_pruned_at_this_moment_is_seen_as_that(database: Database, database_url: str) -> None:
    """Nothing is left to cancel: the cancellation waits for the pruning, and finds the key."""
    accepted(database, [{"idempotency_key": KEY}])
    id_ = asking().cancellation.notification_id
    pruning = (
        "DELETE FROM routes",
        f"DELETE FROM notifications WHERE notification_id = '{id_}'",
        f"INSERT INTO pruned_notifications VALUES ('{id_}', '', now())",
    )
    with in_transaction(database_url, *pruning) as other, cancelling(database) as working:
        wait_for_locks(database)
        other.cursor().execute("COMMIT")
        working.result()

    assert answers(database) == [(True, False, 0, 0, 0)]


def test_a_dead_letter_that_is_requeued_at_this_moment_is_cancelled(database: Database, database_url: str) -> None:
    """The look at the dead letters waits for the requeue, and a second look finds the open route."""
    email = accepted(database, [{"idempotency_key": KEY, "channels_json": ["email"]}]).due["email"][0]
    bury_something(database)
    change(database, [email], FINAL["dead_letter"])
    execute(database, "UPDATE dead_letters SET notification_id = %s", asking().cancellation.notification_id)
    opened = "status = 'pending', dead_letter_id = NULL, dead_lettered_at = NULL, next_attempt_at = now()"
    taken_back = (
        "UPDATE dead_letters SET requeued_at = now(), requeued_by = 'bob'",
        f"UPDATE routes SET {opened}, updated_at = now() + interval '1 second'",
    )
    with in_transaction(database_url, *taken_back) as other, cancelling(database) as working:
        wait_for_locks(database)
        other.cursor().execute("COMMIT")
        working.result()

    assert statuses(database) == [("pending", "producer game-service")]
    assert requeue(database, [row["id"] for row in rows(database, "SELECT id FROM dead_letters")], "bob") == []


def test_an_attempt_that_ends_at_this_moment_is_counted_as_it_ended(database: Database, database_url: str) -> None:
    """The mark waits for the completion: the route is published, and the answer says so."""
    accepted(database, [{"idempotency_key": KEY, "channels_json": ["email"]}])
    published = f"UPDATE routes SET {FINAL['published']}"
    with in_transaction(database_url, published) as other, cancelling(database) as working:
        wait_for_locks(database)
        other.cursor().execute("COMMIT")
        working.result()

    assert statuses(database) == [("published", None)]
    assert answers(database) == [(True, False, 0, 1, 0)]


def test_an_empty_table_costs_an_acceptance_nothing(database: Database) -> None:
    """Without any cancellation there is one look-up for the whole batch, and no route is asked about."""
    made = [incoming(f"{n}-0") for n in range(20)]
    ordered = sorted(made, key=lambda each: each.intent.notification_id)
    planned = [(place, each.intent, route) for place, each in enumerate(ordered, 1) for route in each.routes]
    parameters = {
        **parameters_of_intents([(each.entry_id, each.intent) for each in ordered]),
        **parameters_of_routes(planned),
        **parameters_of_handover(None),
    }
    notifications, routes = ACCEPT.split(";", 1)
    with database.unit() as connection, connection.atomic():
        fetch(connection, notifications, parameters)
        plan = [row[0] for row in fetch(connection, f"EXPLAIN (ANALYZE, TIMING OFF) {routes}", parameters)]

    looked = [line for line in plan if " on cancellations  (" in line]
    assert (len(looked), "loops=1" in looked[0]) == (1, True), "\n".join(plan)
    assert len(all_routes(database)) == 40
