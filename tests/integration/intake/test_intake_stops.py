"""Intake told to stop: what it has not committed is given back as if it had never been read (R17, R19a)."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis

from actors.context import Context
from publisher.intake import acceptor
from publisher.streams.intents import IntentsGroup
from storage.database import Database
from tests.factories import GROUP, INTENTS
from tests.integration.failing_calls import Failing
from tests.integration.rows import count, rows
from tests.integration.stream_entries import deliveries, pending_ids, send_intents, wait_until_read
from tests.waiting import wait_until

StartIntake = Callable[..., threading.Thread]
Consumers = Callable[[str], IntentsGroup]
HOUR, SHORTLY = timedelta(hours=1), timedelta(milliseconds=20)


def test_restarts_during_an_outage_make_no_intent_poison(
    context: Context,
    start_intake: StartIntake,
    database: Database,
    redis_client: redis.Redis,
    postgresql_away: Failing,
) -> None:
    """However often intake is restarted while PostgreSQL is away, the next one takes the intents over at once and no
    delivery is counted; after the outage they are accepted, not poison (R19a)."""
    send_intents(redis_client, 3)
    for number in range(8):
        failures = postgresql_away.failures
        loop = start_intake(f"restart {number}", idle=HOUR)
        wait_until(lambda failures=failures: postgresql_away.failures > failures)
        context.stopping.set()
        wait_until(lambda loop=loop: not loop.is_alive())
        assert deliveries(redis_client) == [0, 0, 0]
        context.stopping.clear()

    postgresql_away.failing.clear()
    start_intake("last", idle=HOUR)
    wait_until_read(redis_client)

    assert count(database) == 3
    assert rows(database, "SELECT * FROM malformed_intents") == []


def test_a_stop_keeps_the_deaths_that_were_counted(
    consumer: Consumers,
    context: Context,
    start_intake: StartIntake,
    redis_client: redis.Redis,
    postgresql_away: Failing,
) -> None:
    """A stop takes back its own delivery alone: an entry that killed readers before still counts those (R19)."""
    [sent] = send_intents(redis_client, 1)
    dead = consumer("dead")
    dead.create()
    dead.read(1, SHORTLY)
    redis_client.xclaim(INTENTS, GROUP, "dead", 0, [sent], retrycount=3, justid=True)

    loop = start_intake("one", idle=timedelta(0))
    wait_until(lambda: postgresql_away.failures)
    context.stopping.set()
    wait_until(lambda: not loop.is_alive())

    assert deliveries(redis_client) == [3]


def test_a_stop_is_looked_at_between_two_transactions(
    context: Context,
    start_intake: StartIntake,
    database: Database,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Told to stop in the middle of a batch of many transactions, intake ends after the one that it is in; what that
    committed is acknowledged, and the rest is given back (R17, R20)."""
    monkeypatch.setattr(acceptor, "_ROUTES", 2)
    whole = acceptor.accept_new

    def stopped_meanwhile(*arguments: Any) -> Any:
        context.stopping.set()
        return whole(*arguments)

    monkeypatch.setattr(acceptor, "accept_new", stopped_meanwhile)
    sent = send_intents(redis_client, 10)

    loop = start_intake("one", batch=10)
    wait_until(lambda: not loop.is_alive())

    assert count(database) == 1
    assert pending_ids(redis_client) == sent[1:]
    assert deliveries(redis_client) == [0] * 9


def test_what_was_trimmed_unread_is_counted_at_a_stop_too(
    context: Context,
    consumer: Consumers,
    start_intake: StartIntake,
    redis_client: redis.Redis,
    postgresql_away: Failing,
) -> None:
    """An entry that was trimmed while intake held it is reported as lost when it is given back (R19)."""
    sent = send_intents(redis_client, 3)
    loop = start_intake("one")
    wait_until(lambda: postgresql_away.failures)
    redis_client.xdel(INTENTS, sent[0])
    failures = postgresql_away.failures
    wait_until(lambda: postgresql_away.failures > failures + 2)

    context.stopping.set()
    wait_until(lambda: not loop.is_alive())

    assert pending_ids(redis_client) == sent[1:]
    assert context.telemetry.registry.get_sample_value("intents_total", {"result": "trimmed"}) == 1
