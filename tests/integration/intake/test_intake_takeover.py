"""Intake and what other readers left behind: taken over, set aside or counted as lost (R15, R19, R20)."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis

from actors.context import Context
from publisher.intake import acceptor, group_loop
from publisher.streams.intents import IntentsGroup
from storage.database import Database
from tests.factories import GROUP, INTENTS
from tests.integration.failing_calls import Failing
from tests.integration.rows import count, malformed_codes
from tests.integration.stream_entries import consumers, deliveries, pending_ids, send_intents, wait_until_read
from tests.waiting import wait_until

StartIntake = Callable[..., threading.Thread]
Consumers = Callable[[str], IntentsGroup]
AT_ONCE = timedelta(0)
SHORTLY = timedelta(milliseconds=20)


def trimmed(context: Context) -> float:
    return context.telemetry.registry.get_sample_value("intents_total", {"result": "trimmed"}) or 0.0


def left_by(group: IntentsGroup, client: redis.Redis, deliveries: int = 1) -> list[str]:
    """The entries that this consumer now reads and leaves behind, given out so often."""
    group.create()
    ids = [entry.id for entry in group.read(100, SHORTLY)]
    client.xclaim(INTENTS, GROUP, group.consumer, 0, ids, retrycount=deliveries, justid=True)
    return ids


def test_a_restarted_intake_finishes_what_it_had_read(
    consumer: Consumers, start_intake: StartIntake, database: Database, redis_client: redis.Redis
) -> None:
    """A consumer that comes back under its name first accepts what it had read and not acknowledged (R20)."""
    send_intents(redis_client, 25)
    left_by(consumer("one"), redis_client)
    send_intents(redis_client, 2)

    start_intake("one", batch=10)
    wait_until_read(redis_client)

    assert count(database) == 27


def test_what_a_dead_intake_left_is_taken_over(
    consumer: Consumers, start_intake: StartIntake, database: Database, redis_client: redis.Redis
) -> None:
    """Entries that another consumer has left for long are accepted by whoever is alive, also batches of them (R15)."""
    send_intents(redis_client, 25)
    left_by(consumer("dead"), redis_client)

    start_intake("alive", batch=10, idle=SHORTLY)
    wait_until_read(redis_client)

    assert count(database) == 25


def test_what_another_intake_works_on_is_left_to_it(
    consumer: Consumers, start_intake: StartIntake, database: Database, redis_client: redis.Redis
) -> None:
    """Entries that another consumer has just read are not taken from it (R15)."""
    send_intents(redis_client, 3)
    busy = left_by(consumer("busy"), redis_client)
    start_intake("alive", idle=timedelta(hours=1))
    send_intents(redis_client, 2)

    wait_until(lambda: count(database) == 2)
    wait_until(lambda: pending_ids(redis_client) == busy)


# Taking an entry over is a delivery more; finding one's own again is not.
@pytest.mark.parametrize(
    ("name", "deliveries", "poison"),
    [("dead", 4, False), ("dead", 5, True), ("alive", 5, False), ("alive", 6, True)],
)
def test_an_entry_that_kills_its_readers_is_set_aside(
    name: str,
    deliveries: int,
    poison: bool,
    consumer: Consumers,
    start_intake: StartIntake,
    database: Database,
    redis_client: redis.Redis,
) -> None:
    """An entry that was given out more than five times and never acknowledged is recorded as poison (R19)."""
    send_intents(redis_client)
    left = left_by(consumer(name), redis_client, deliveries=deliveries)

    start_intake("alive", idle=AT_ONCE if name == "dead" else timedelta(hours=1))
    wait_until_read(redis_client)

    assert malformed_codes(database) == ([(left[0], "poison")] if poison else [])
    assert count(database) == (0 if poison else 1)


def test_entries_given_out_before_are_accepted_one_at_a_time(
    consumer: Consumers,
    start_intake: StartIntake,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of entries that may have killed their readers none takes another along (R19)."""
    sizes: list[int] = []
    whole = acceptor.accept_new

    def noting(*arguments: Any) -> Any:
        sizes.append(len(arguments[1]))
        return whole(*arguments)

    monkeypatch.setattr(acceptor, "accept_new", noting)
    send_intents(redis_client, 3)
    left_by(consumer("dead"), redis_client)

    start_intake("alive", idle=AT_ONCE)
    wait_until_read(redis_client)

    assert sizes == [1, 1, 1]


def test_an_entry_at_work_counts_no_delivery_against_those_behind_it(
    consumer: Consumers, start_intake: StartIntake, redis_client: redis.Redis, postgresql_away: Failing
) -> None:
    """However often the first of a dead reader's entries kills the next one, the others stay fresh (R19)."""
    send_intents(redis_client, 3)
    left_by(consumer("dead"), redis_client)

    start_intake("alive", idle=AT_ONCE)
    wait_until(lambda: postgresql_away.failures >= 3)

    assert deliveries(redis_client) == [2, 1, 1]
    postgresql_away.failing.clear()
    wait_until_read(redis_client)


def test_entries_in_hand_are_not_taken_over_while_postgresql_is_away(
    consumer: Consumers, start_intake: StartIntake, redis_client: redis.Redis, postgresql_away: Failing
) -> None:
    """However long PostgreSQL is away, an entry stays with the intake that holds it, delivered once (R19, R20)."""
    start_intake("holder")
    send_intents(redis_client)
    other, idle = consumer("other"), timedelta(milliseconds=500)
    wait_until(lambda: postgresql_away.failures)

    failures = postgresql_away.failures
    # The holder waits 50 ms at most between its tries: many times the idle time of the other.
    wait_until(lambda: [other.recover_others(1, idle), postgresql_away.failures >= failures + 30][1])

    assert deliveries(redis_client) == [1]
    postgresql_away.failing.clear()
    wait_until_read(redis_client)


@pytest.mark.parametrize("name", ["dead", "alive"], ids=["another's", "its own"])
def test_trimmed_entries_are_counted_and_let_go(
    name: str,
    consumer: Consumers,
    context: Context,
    start_intake: StartIntake,
    database: Database,
    redis_client: redis.Redis,
) -> None:
    """Entries that were read and then trimmed off the stream are counted as lost, and block nothing (R19)."""
    send_intents(redis_client, 3)
    left = left_by(consumer(name), redis_client)
    redis_client.xdel(INTENTS, *left[:2])

    start_intake("alive", idle=AT_ONCE if name == "dead" else timedelta(hours=1))
    wait_until_read(redis_client)

    assert trimmed(context) == 2
    assert count(database) == 1


def test_names_of_dead_intakes_are_taken_off_the_group(
    consumer: Consumers, start_intake: StartIntake, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Consumers that died with nothing pending do not pile up in the group (R15)."""
    monkeypatch.setattr(group_loop, "_STALE", SHORTLY)
    # Redis 7.0 knows a consumer from its first entry on.
    for name in ("dead", "dead too"):
        dead = consumer(name)
        dead.create()
        send_intents(redis_client)
        dead.acknowledge([entry.id for entry in dead.read(1, SHORTLY)])
    send_intents(redis_client)

    start_intake("alive", idle=SHORTLY)

    wait_until(lambda: consumers(redis_client) == {"alive"}, describe=lambda: consumers(redis_client))
