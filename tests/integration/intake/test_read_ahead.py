"""Of a backlog, intake reads the next batch while PostgreSQL commits the one before, and promises the same."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import redis

from actors.context import Context
from publisher.domain.errors import RedisUnavailable
from publisher.streams.intents import IntentsGroup
from storage.database import Database
from tests.integration.failing_calls import Failing
from tests.integration.rows import count, rows
from tests.integration.stream_entries import deliveries, pending_ids, send_intents, wait_until_read
from tests.waiting import wait_until

StartIntake = Callable[..., threading.Thread]
Consumers = Callable[[str], IntentsGroup]


def test_one_batch_is_read_ahead(
    start_intake: StartIntake, database: Database, redis_client: redis.Redis, postgresql_away: Failing
) -> None:
    """Beside the batch that is being committed one more is in hand, and no third; all are accepted once (R20)."""
    sent = send_intents(redis_client, 35)
    start_intake("one", batch=10)
    wait_until(lambda: postgresql_away.failures >= 5)
    assert pending_ids(redis_client) == sent[:20]

    postgresql_away.failing.clear()
    wait_until_read(redis_client)

    assert count(database) == 35
    assert rows(database, "SELECT * FROM malformed_intents") == []


def test_a_stop_gives_back_what_was_read_ahead(
    context: Context, start_intake: StartIntake, redis_client: redis.Redis, postgresql_away: Failing
) -> None:
    """It is left to the next intake as if it had never been read (R17)."""
    send_intents(redis_client, 35)
    loop = start_intake("one", batch=10)
    wait_until(lambda: postgresql_away.failures >= 2)

    context.stopping.set()
    wait_until(lambda: not loop.is_alive())

    assert deliveries(redis_client) == [0] * 20


def test_what_was_read_ahead_is_held(
    consumer: Consumers, start_intake: StartIntake, redis_client: redis.Redis, postgresql_away: Failing
) -> None:
    """However long PostgreSQL is away, no other intake takes it over (R19, R20)."""
    send_intents(redis_client, 35)
    start_intake("holder", batch=10)
    wait_until(lambda: postgresql_away.failures >= 2)
    other, idle = consumer("other"), timedelta(milliseconds=500)
    failures = postgresql_away.failures

    # The holder waits 50 ms at most between its tries: many times the idle time of the other.
    wait_until(lambda: [other.recover_others(20, idle), postgresql_away.failures >= failures + 30][1])

    assert deliveries(redis_client) == [1] * 20


def test_a_batch_whose_reading_failed_is_read_again(
    start_intake: StartIntake,
    context: Context,
    database: Database,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Redis read the entries for this intake, and its reply was lost: they are recovered, and accepted once (R20)."""
    lost = Failing(IntentsGroup.read, RedisUnavailable("away"), after_work=True)
    monkeypatch.setattr(IntentsGroup, "read", lambda group, *arguments: lost(group, *arguments))
    send_intents(redis_client, 35)

    lost.failing.set()
    start_intake("one", batch=10)
    wait_until(lambda: lost.failures >= 3)
    lost.failing.clear()
    wait_until_read(redis_client)

    assert count(database) == 35
    assert context.telemetry.registry.get_sample_value("intents_total", {"result": "accepted"}) == 35


def test_a_backlog_is_accepted_once_though_reading_is_left_again_and_again(
    start_intake: StartIntake, context: Context, database: Database, redis_client: redis.Redis
) -> None:
    """Intake stops reading now and then to look for entries of dead consumers: what it read ahead is its own (R20)."""
    send_intents(redis_client, 200)

    start_intake("one", batch=2, idle=timedelta(milliseconds=2))
    wait_until_read(redis_client)

    assert count(database) == 200
    for result in ("duplicate", "conflict", "malformed"):
        assert not context.telemetry.registry.get_sample_value("intents_total", {"result": result})
