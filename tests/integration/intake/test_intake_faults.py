"""Intake when servers fail and processes die: nothing is lost, nothing accepted twice (R15, R19, R20)."""

import json
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import dramatiq
import pytest
import redis
from structlog.testing import capture_logs

from actors.context import Context
from publisher.domain.errors import DatabaseUnavailable, RedisUnavailable
from publisher.intake import acceptor
from publisher.streams.intents import IntentsGroup
from storage.database import Database
from tests.factories import INTENTS, accept, incoming
from tests.integration.failing_calls import Failing
from tests.integration.rows import count, malformed_codes, rows
from tests.integration.stream_entries import consumers, pending_ids, send_intents, wait_until_read
from tests.waiting import wait_until

StartIntake = Callable[..., threading.Thread]
AT_ONCE = timedelta(0)
UNAVAILABLE = DatabaseUnavailable("PostgreSQL is not available: connection refused")


def counts(context: Context) -> dict[str, float]:
    """How many intents were counted as new, and how many as repetitions."""
    registry = context.telemetry.registry
    return {r: registry.get_sample_value("intents_total", {"result": r}) or 0 for r in ("accepted", "duplicate")}


@pytest.mark.parametrize("after_work", [False, True], ids=["before the commit", "after the commit"])
def test_nothing_is_acknowledged_before_its_commit_is_known(
    after_work: bool,
    context: Context,
    start_intake: StartIntake,
    database: Database,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While PostgreSQL is away entries stay unacknowledged; once it is back each is accepted once (R20)."""
    accept = Failing(acceptor.accept_new, UNAVAILABLE, after_work=after_work)
    accept.failing.set()
    monkeypatch.setattr(acceptor, "accept_new", accept)
    added = send_intents(redis_client, 3)
    start_intake()

    wait_until(lambda: accept.failures >= 3)
    assert pending_ids(redis_client) == added
    accept.failing.clear()
    wait_until_read(redis_client)

    assert count(database) == 3
    assert malformed_codes(database) == []
    assert counts(context) == {"accepted": 3, "duplicate": 0}


def test_a_stop_while_postgresql_is_away_loses_nothing(
    context: Context,
    start_intake: StartIntake,
    database: Database,
    redis_client: redis.Redis,
    postgresql_away: Failing,
) -> None:
    """Told to stop while PostgreSQL is away, intake ends; what it had in hand is there for the next (R17, R20)."""
    added = send_intents(redis_client, 3)
    loop = start_intake("one")
    wait_until(lambda: postgresql_away.failures)

    context.stopping.set()
    wait_until(lambda: not loop.is_alive())
    assert pending_ids(redis_client) == added
    context.stopping.clear()
    postgresql_away.failing.clear()
    start_intake("two", idle=AT_ONCE)
    wait_until_read(redis_client)

    assert count(database) == 3


@pytest.mark.parametrize("waiting", ["accept_new", "compare_known"])
def test_what_one_transaction_committed_is_counted_though_another_waits(
    waiting: str,
    context: Context,
    start_intake: StartIntake,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A batch is several transactions: each is counted and acknowledged once it is committed, however long the next one
    waits, and also if intake is told to stop meanwhile (R17, R20, R25)."""
    away = Failing(getattr(acceptor, waiting), UNAVAILABLE)
    away.failing.set()
    monkeypatch.setattr(acceptor, waiting, away)
    send_intents(redis_client, 1, idempotency_key="same")
    send_intents(redis_client, 1, idempotency_key="same")
    send_intents(redis_client, 1, producer=None)
    loop = start_intake("one")
    wait_until(lambda: away.failures)

    context.stopping.set()
    wait_until(lambda: not loop.is_alive())
    context.stopping.clear()
    away.failing.clear()
    start_intake("two", idle=AT_ONCE)
    wait_until_read(redis_client)

    assert counts(context) == {"accepted": 1, "duplicate": 1}
    assert context.telemetry.registry.get_sample_value("intents_total", {"result": "malformed"}) == 1


def test_a_lost_acknowledgement_accepts_nothing_twice(
    context: Context,
    start_intake: StartIntake,
    database: Database,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Entries whose acknowledgement failed are read again, found as their own, and acknowledged; each is counted and
    logged once, none as a duplicate, intents and malformed entries alike (R18, R20, R25)."""
    whole = IntentsGroup.acknowledge
    errors = [RedisUnavailable("Redis is not available: Timeout reading from socket")]

    def fails_once(group: IntentsGroup, ids: Sequence[str]) -> None:
        if ids and errors:
            raise errors.pop()
        whole(group, ids)

    monkeypatch.setattr(IntentsGroup, "acknowledge", fails_once)
    send_intents(redis_client, 3)
    send_intents(redis_client, 1, producer=None)
    with capture_logs() as logs:
        start_intake()
        wait_until_read(redis_client)

    assert errors == []
    assert count(database) == 3
    assert len(malformed_codes(database)) == 1
    assert counts(context) == {"accepted": 3, "duplicate": 0}
    assert context.telemetry.registry.get_sample_value("intents_total", {"result": "malformed"}) == 1
    assert [line["event"] for line in logs].count("malformed intent") == 1


def test_what_another_intake_committed_is_no_duplicate(
    context: Context,
    consumer: Callable[[str], IntentsGroup],
    start_intake: StartIntake,
    database: Database,
    redis_client: redis.Redis,
) -> None:
    """An intent whose intake died between commit and acknowledgement is no repetition for the next one; the same
    intent as another entry is (R18, R25)."""
    key = {"idempotency_key": "one"}
    [sent] = send_intents(redis_client, 1, **key)
    dead = consumer("dead")
    dead.create()
    dead.read(1, timedelta(milliseconds=20))
    accept(database, INTENTS, [incoming(sent, **key)], [])
    send_intents(redis_client, 1, **key)

    start_intake("alive", idle=AT_ONCE)
    wait_until_read(redis_client)

    wait_until(lambda: counts(context) == {"accepted": 0, "duplicate": 1}, describe=lambda: counts(context))


def test_intake_outlives_an_emptied_redis(
    start_intake: StartIntake, database: Database, redis_client: redis.Redis
) -> None:
    """After a FLUSHALL intake makes its group again and reads on from the beginning of the new stream (R20)."""
    start_intake()
    send_intents(redis_client, 2)
    wait_until_read(redis_client)

    redis_client.flushall()
    send_intents(redis_client, 2)
    wait_until_read(redis_client)

    assert count(database) == 4


def test_intake_outlives_lost_connections(
    start_intake: StartIntake, database: Database, redis_client: redis.Redis
) -> None:
    """An intake whose connections are killed connects again, and misses nothing (R20)."""
    start_intake()
    for _ in range(5):
        send_intents(redis_client, 2)
        redis_client.client_kill_filter(_type="normal", skipme=True)
    wait_until_read(redis_client)

    assert count(database) == 10


def test_an_intake_that_stops_leaves_its_group(
    context: Context, start_intake: StartIntake, redis_client: redis.Redis
) -> None:
    """Told to stop, intake ends and takes its name off the group (R17)."""
    loop = start_intake("one")
    send_intents(redis_client)
    wait_until_read(redis_client)
    assert consumers(redis_client) == {"one"}

    context.stopping.set()
    wait_until(lambda: not loop.is_alive())

    assert consumers(redis_client) == set()


def test_with_redis_away_one_message_is_tried_and_not_one_for_each_part(
    context: Context,
    start_intake: StartIntake,
    database: Database,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once a message cannot be sent intake sends no other of these entries, acknowledges them, and reads on: each
    would wait as long for the same Redis, and the scan finds their routes (R14, R20)."""
    tried: list[str] = []

    def refuse(queue: str, *_: object) -> None:
        tried.append(queue)
        raise redis.TimeoutError("no reply")

    monkeypatch.setattr(dramatiq.get_broker(), "do_enqueue", refuse, raising=False)
    recipients = json.dumps([{"user_id": str(n), "email": f"user{n}@example.com"} for n in range(40)])
    send_intents(redis_client, 1, recipients_json=recipients)
    start_intake(batch=5)

    wait_until_read(redis_client)

    assert len(tried) == 1
    assert rows(database, "SELECT count(*) FROM routes WHERE status = 'pending'") == [{"count": 80}]
    assert pending_ids(redis_client) == []
