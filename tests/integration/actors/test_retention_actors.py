"""Retention by message: pruned and trimmed as the clock says, once for all who ask."""

from collections.abc import Callable
from datetime import timedelta

import dramatiq
import pytest
import redis

from actors import retention
from actors.context import Context
from actors.retention import prune_notifications, prune_records, send_retention, trim_intents
from publisher.domain.errors import DatabaseUnavailable
from storage import retention as stored
from storage.database import Database
from storage.mail.suppressions import add_suppression
from tests.integration.dramatiq_messages import held, wait_for_quiet
from tests.integration.old_notifications import ended, kept
from tests.integration.rows import count, execute
from tests.waiting import wait_until

Install = Callable[..., Context]
StartWorker = Callable[[], dramatiq.Worker]


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch reads a few routes, and a message does two batches."""
    whole = stored.prune_notifications
    monkeypatch.setattr(retention, "_BATCHES", 2)
    monkeypatch.setattr(stored, "prune_notifications", lambda *args, **options: whole(*args, **options, limit=5))


def forget_the_walk(client: redis.Redis) -> None:
    """Half an interval passes."""
    for key in client.keys("publisher:retention:*"):
        client.delete(key)


def messages(client: redis.Redis) -> list[str]:
    return [m["actor_name"] for m in held(client, "email")]


def test_old_notifications_are_pruned_by_message(
    small_steps: None, context: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """A message prunes a bounded number and sends itself again, until all that is over is gone."""
    ended(database, 12)
    young = set(ended(database, 2, days=1))

    start_worker()
    send_retention("email")

    wait_until(lambda: kept(database) == young, describe=lambda: kept(database))
    wait_for_quiet(redis_client, "email")
    assert count(database, "pruned_notifications") == 12


def test_one_message_does_a_bounded_part(
    small_steps: None, context: Context, database: Database, redis_client: redis.Redis
) -> None:
    """Between two parts of a walk the queue's other messages have their turn."""
    ended(database, 12)

    prune_notifications("email")

    assert len(kept(database)) == 8
    assert messages(redis_client) == ["prune_notifications"]


def test_everybody_who_asks_gets_one_walk(context: Context, database: Database, redis_client: redis.Redis) -> None:
    """Clocks and workers may all ask at once: one walk begins, and no other for half an interval (R15)."""
    prune_notifications("email")
    ended(database)

    prune_notifications("email")
    prune_notifications("push")
    assert len(kept(database)) == 1

    forget_the_walk(redis_client)
    prune_notifications("push")
    assert kept(database) == set()


def test_a_walk_that_goes_on_holds_others_back(
    small_steps: None, context: Context, database: Database, redis_client: redis.Redis
) -> None:
    """A walk that has taken long goes on whoever has asked meanwhile."""
    ended(database, 12)
    prune_notifications("email")
    [message] = held(redis_client, "email")
    forget_the_walk(redis_client)

    prune_notifications("email", message["args"][1])
    prune_notifications("push")

    assert len(kept(database)) == 4


def test_a_message_of_the_release_before_begins_a_walk(context: Context, database: Database) -> None:
    """It names a place as an instant and an id, which is none in the order of keys (R15)."""
    ended(database)

    prune_notifications("email", ["2026-01-01T00:00:00+00:00", "ffffffff-ffff-ffff-ffff-ffffffffffff"])

    assert kept(database) == set()


@pytest.mark.parametrize("variable", ["PUBLISHER_RETENTION"])
def test_a_retention_of_zero_keeps_everything(variable: str, install: Install, database: Database) -> None:
    """With a retention of 0 nothing is pruned, however old."""
    install(PUBLISHER_RETENTION="0", PUBLISHER_KEY_RETENTION="0")
    ended(database, 2, days=3000)
    execute(database, "INSERT INTO pruned_notifications VALUES (gen_random_uuid(), 'f', '2020-01-01')")

    prune_notifications("email")
    prune_records("email")

    assert len(kept(database)) == 2
    assert count(database, "pruned_notifications") == 1


def test_the_retention_that_is_set_holds(install: Install, database: Database) -> None:
    """What is older than PUBLISHER_RETENTION goes, and nothing younger."""
    install(PUBLISHER_RETENTION="86400")
    ended(database, days=1.1)
    [young] = ended(database, days=0.9)

    prune_notifications("email")

    assert kept(database) == {young}


def test_records_are_pruned_by_message(
    context: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """Malformed intents, operators' actions and forgotten keys go, each after its own time."""
    for days in (29, 31, 89, 91):
        execute(
            database,
            "INSERT INTO pruned_notifications VALUES (gen_random_uuid(), 'f', now() - %s * '1 d'::interval)",
            days,
        )
        execute(
            database,
            "INSERT INTO malformed_intents (stream, stream_entry_id, failure_code, failure_message, raw_fields,"
            " recorded_at) VALUES ('s', %s, 'c', 'm', '{}', now() - %s * '1 d'::interval)",
            f"{days}-0",
            days,
        )
        execute(
            database,
            "INSERT INTO operator_actions (action, by, target, matched, outcome, begun_at, ended_at)"
            " VALUES ('pause', 'ann', '{}', 1, 'done', now() - '95 d'::interval, now() - %s * '1 d'::interval)",
            days,
        )
    start_worker()

    send_retention("push")

    tables = ("pruned_notifications", "malformed_intents", "operator_actions")
    wait_until(lambda: [count(database, table) for table in tables] == [3, 1, 1])
    wait_for_quiet(redis_client, "push")


def test_records_that_are_left_are_pruned_by_another_message(
    context: Context, database: Database, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message prunes a bounded number and sends itself again: keys may come by the thousand each second."""
    monkeypatch.setattr(retention, "_BATCHES", 1)
    execute(
        database,
        "INSERT INTO pruned_notifications SELECT gen_random_uuid(), 'f', '2020-01-01' FROM generate_series(1, 5001)",
    )

    prune_records("email")
    [message] = held(redis_client, "email")
    assert count(database, "pruned_notifications") == 1

    prune_records(*message["args"])
    assert count(database, "pruned_notifications") == 0


def test_a_process_that_stops_prunes_no_more(
    small_steps: None, context: Context, database: Database, redis_client: redis.Redis
) -> None:
    """A process that was told to stop begins no further batch (R17)."""
    ended(database, 3)
    context.stopping.set()

    prune_notifications("email")
    prune_records("email")
    trim_intents("email")

    assert len(kept(database)) == 3


def test_every_batch_is_a_sign_of_progress(
    small_steps: None, context: Context, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long walk is not taken for a message that hangs."""
    ended(database, 4)
    beats: list[int] = []
    monkeypatch.setattr(context.watchdog, "beat", lambda: beats.append(1))

    prune_notifications("email")

    assert len(beats) == 2


def test_a_walk_that_fails_is_told_and_begun_anew_later(
    context: Context, database: Database, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that goes away ends a walk with an error; the next one does what is left."""
    ended(database, 2)
    with monkeypatch.context() as patch:

        def away(*_: object, **__: object) -> None:
            raise DatabaseUnavailable("PostgreSQL is not available: gone")

        patch.setattr(stored, "prune_notifications", away)
        with pytest.raises(DatabaseUnavailable):
            prune_notifications("email")
    assert len(kept(database)) == 2

    forget_the_walk(redis_client)
    prune_notifications("email")

    assert kept(database) == set()


def test_workers_prune_without_any_scheduler(install: Install, start_worker: StartWorker, database: Database) -> None:
    """With no scheduler, workers look after the retention by themselves (R14a)."""
    context = install(PUBLISHER_SCAN_INTERVAL="0.1")
    ended(database, 3)

    start_worker()

    wait_until(lambda: not kept(database))
    context.stopping.set()


def test_suppressions_that_are_over_are_pruned(context: Context, database: Database) -> None:
    """Each says itself until when it holds (R33)."""
    add_suppression(database, "ann@example.com", None, "ann", timedelta(days=1))
    add_suppression(database, "bob@example.com", None, "ann", timedelta(days=1))
    add_suppression(database, "eve@example.com", None, "ann", None)
    execute(database, "UPDATE mail_suppressions SET expires_at = now() WHERE address < 'b'")

    prune_records("email")

    assert count(database, "mail_suppressions") == 2
