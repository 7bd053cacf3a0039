"""Intakes at once: no deadlock, no loss, nothing accepted twice (R15, R18, R21)."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta

import psycopg2.extensions
import pytest

from publisher.domain.errors import DatabaseUnavailable
from publisher.domain.rejection import Rejection, RejectionCode
from storage.accepting.accept_statement import (
    ACCEPT,
    parameters_of_handover,
    parameters_of_intents,
    parameters_of_routes,
)
from storage.accepting.intents import Acceptance, IncomingIntent, IncomingMalformed
from storage.database import Database
from tests.conftest import connected
from tests.factories import INTENTS, accept, incoming
from tests.integration.rows import rows
from tests.waiting import wait_until


@contextmanager
def intake(work: Callable[[], Acceptance]) -> Iterator[Future[Acceptance]]:
    """Another intake, at work in a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(work)


@contextmanager
def uncommitted(url: str, other: IncomingIntent) -> Iterator[psycopg2.extensions.connection]:
    """A transaction that has inserted this intent's notification, and is still open."""
    intent = other.intent
    with connected(url) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(
            "INSERT INTO notifications VALUES (%s, %s, %s, %s, %s, decode(%s, 'hex'), %s, NULL, NULL, %s, now())",
            [
                intent.notification_id,
                intent.notification_type,
                intent.producer,
                intent.audience_kind.value,
                intent.idempotency_key,
                intent.fingerprint,
                intent.payload,
                intent.occurred_at,
            ],
        )
        yield connection


def wait_for_locks(database: Database, count: int = 1) -> None:
    blocked = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    wait_until(lambda: len(rows(database, blocked)) == count)


def test_two_intakes_with_the_same_intents_do_not_deadlock(database: Database, database_url: str) -> None:
    """Two intakes that hold the same intents in opposite orders both succeed, each intent once (R18, R21)."""
    intents = sorted((incoming(f"{n}-0") for n in range(5)), key=lambda i: i.intent.notification_id)

    # Both stop at the one in the middle: had each begun at another end, neither could then go on.
    with uncommitted(database_url, intents[2]) as other, ThreadPoolExecutor(2) as threads:
        both = [threads.submit(accept, database, INTENTS, order, []) for order in (intents, intents[::-1])]
        wait_for_locks(database, 2)
        other.cursor().execute("ROLLBACK")
        first, second = (intake.result() for intake in both)

    assert sorted([len(first.accepted), len(second.accepted)]) == [0, 5]
    assert sorted([len(first.duplicates), len(second.duplicates)]) == [0, 5]


def test_two_intakes_with_the_same_malformed_entries_do_not_deadlock(database: Database, database_url: str) -> None:
    """Two intakes that hold the same malformed entries in opposite orders record each once (R19, R21)."""
    malformed = [IncomingMalformed(f"{n}-0", (), Rejection(RejectionCode.INVALID_JSON, "bad")) for n in range(5)]

    with connected(database_url) as other, ThreadPoolExecutor(2) as threads:
        cursor = other.cursor()
        cursor.execute("BEGIN")
        cursor.execute(
            "INSERT INTO malformed_intents (stream, stream_entry_id, failure_code, failure_message, raw_fields,"
            " recorded_at) VALUES (%s, '2-0', 'x', 'y', '{}', now())",
            [INTENTS],
        )
        both = [threads.submit(accept, database, INTENTS, [], order) for order in (malformed, malformed[::-1])]
        wait_for_locks(database, 2)
        cursor.execute("ROLLBACK")
        for intake_ in both:
            intake_.result()

    assert rows(database, "SELECT count(*) FROM malformed_intents") == [{"count": 5}]


def test_an_intent_that_another_intake_commits_meanwhile_is_a_duplicate(database: Database, database_url: str) -> None:
    """An intake waits for another that is accepting the same intent, and then finds a duplicate (R18)."""
    same = incoming(idempotency_key="k")

    with uncommitted(database_url, same) as other, intake(lambda: accept(database, INTENTS, [same], [])) as accepting:
        wait_for_locks(database)
        other.cursor().execute("COMMIT")
        batch = accepting.result()

    assert (list(batch.accepted), list(batch.duplicates)) == ([], [same])


def test_other_content_that_another_intake_commits_meanwhile_is_a_conflict(
    database: Database, database_url: str
) -> None:
    """Of two contents under one key at once, the one that commits second is the conflict (R18)."""
    mine, theirs = (incoming(idempotency_key="k", payload_json={"turn": n}) for n in (1, 2))

    with uncommitted(database_url, theirs) as other, intake(lambda: accept(database, INTENTS, [mine], [])) as accepting:
        wait_for_locks(database)
        other.cursor().execute("COMMIT")
        batch = accepting.result()

    assert [m.malformed.code for m in batch.malformed] == [RejectionCode.IDEMPOTENCY_CONFLICT]


def test_an_intent_that_another_intake_gives_up_is_accepted(database: Database, database_url: str) -> None:
    """If the other intake dies before its commit, the waiting one accepts the intent (R15, R20)."""
    same = incoming(idempotency_key="k")

    with uncommitted(database_url, same) as other, intake(lambda: accept(database, INTENTS, [same], [])) as accepting:
        wait_for_locks(database)
        other.cursor().execute("ROLLBACK")
        batch = accepting.result()

    assert list(batch.accepted) == [same]
    assert {channel: len(ids) for channel, ids in batch.due.items()} == {"email": 1, "push": 1}


def test_an_intake_that_has_gone_silent_holds_nobody_up(database_url: str) -> None:
    """An intake cut off in the middle of its transaction loses it within seconds, and another takes its intents (R15).

    The server sees no end of such a connection: the machine is gone, or the network between.
    """
    one = incoming()
    parameters = {
        **parameters_of_intents([(one.entry_id, one.intent)]),
        **parameters_of_routes([]),
        **parameters_of_handover(None),
    }
    back = threading.Event()
    patience = timedelta(seconds=15)
    with (
        closing(Database(database_url, application_name="silent", statement_timeout=patience)) as silent,
        closing(Database(database_url, application_name="other", statement_timeout=patience)) as other,
        ThreadPoolExecutor(1) as thread,
    ):

        def goes_silent() -> None:
            with silent.unit() as connection, connection.atomic():
                connection.execute_sql(ACCEPT, parameters)
                back.wait()

        cut_off = thread.submit(goes_silent)
        # Idle after the insertion, and not before it.
        idle = (
            "SELECT FROM pg_stat_activity WHERE application_name = 'silent' AND state = 'idle in transaction'"
            " AND query LIKE '%%accept_intents%%'"
        )
        wait_until(lambda: len(rows(other, idle)) == 1)
        try:
            taken_over = accept(other, INTENTS, [one], [])
        finally:
            back.set()

        assert taken_over.accepted == [one]
        with pytest.raises(DatabaseUnavailable):
            cut_off.result()
