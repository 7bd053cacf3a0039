"""The intake of delivery events when servers fail and processes die: none is lost, none recorded twice (R17, R20)."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import redis

from actors.context import Context
from publisher.domain.errors import DatabaseUnavailable, RedisUnavailable
from publisher.intake import event_acceptor, events
from publisher.intake.beside import run_beside
from publisher.streams.consumer_group import ConsumerGroup
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database
from tests.factories import EVENTS, GROUP, event_fields
from tests.integration.failing_calls import Failing
from tests.integration.intake.test_events import add, counted
from tests.integration.rows import all_routes, count, malformed_codes
from tests.integration.storage.answers.test_delivery_events import deliveries
from tests.integration.stream_entries import consumers, pending_ids, wait_until_read
from tests.waiting import wait_until

StartEvents = Callable[..., threading.Thread]
AT_ONCE = timedelta(0)


@pytest.fixture
def three(database: Database, redis_client: redis.Redis) -> list[str]:
    """Three events of a delivery, on the stream."""
    [known] = deliveries(database)
    return add(redis_client, *(event_fields(delivery_id=known) for _ in range(3)))


@pytest.mark.parametrize("after_work", [False, True], ids=["before the commit", "after the commit"])
def test_nothing_is_acknowledged_before_its_commit_is_known(
    after_work: bool,
    context: Context,
    start_events: StartEvents,
    database: Database,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    three: list[str],
) -> None:
    """While PostgreSQL is away the entries stay unacknowledged; once it is back each counts once (R20)."""
    taking = Failing(event_acceptor.take_in, DatabaseUnavailable("away"), after_work=after_work)
    taking.failing.set()
    monkeypatch.setattr(event_acceptor, "take_in", taking)
    start_events()
    wait_until(lambda: taking.failures >= 3)
    assert pending_ids(redis_client, EVENTS) == three

    taking.failing.clear()
    wait_until_read(redis_client, EVENTS)

    assert count(database, "delivery_events") == 3
    assert counted(context) == {("email", "accepted", "new"): 3}


@pytest.mark.parametrize("call", ["recover_own", "recover_others", "read", "acknowledge"])
@pytest.mark.parametrize("after_work", [False, True], ids=["not done", "reply lost"])
def test_an_error_of_redis_at_any_step_loses_and_doubles_nothing(
    call: str,
    after_work: bool,
    context: Context,
    start_events: StartEvents,
    database: Database,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    three: list[str],
) -> None:
    """Between any two steps of the loop, a lost reply included: the events are recorded once, and acknowledged."""
    whole = getattr(ConsumerGroup, call)
    failing = Failing(whole, RedisUnavailable("away"), after_work=after_work)
    failing.failing.set()
    monkeypatch.setattr(ConsumerGroup, call, lambda *arguments: failing(*arguments))
    start_events()
    # Entries whose acknowledgement was done are not acknowledged again.
    wait_until(lambda: failing.failures >= (1 if call == "acknowledge" and after_work else 2))
    failing.failing.clear()
    wait_until_read(redis_client, EVENTS)

    assert count(database, "delivery_events") == len(three)
    assert counted(context) == {("email", "accepted", "new"): 3}


def test_what_a_dead_intake_committed_and_did_not_acknowledge_is_recorded_once(
    start_events: StartEvents, database: Database, redis_client: redis.Redis, three: list[str], context: Context
) -> None:
    """Killed between commit and XACK: another takes the entries over, and finds them on record (R20)."""
    dead = ConsumerGroup(StreamServers(redis_client), EVENTS, GROUP, "dead")
    dead.create()
    entries = [events.incoming_event(entry) for entry in dead.read(10, timedelta(milliseconds=1))]
    event_acceptor.take_in(database, EVENTS, [e for e in entries if isinstance(e, event_acceptor.IncomingEvent)], [])

    start_events("two", idle=AT_ONCE)
    wait_until_read(redis_client, EVENTS)

    assert count(database, "delivery_events") == len(three)
    assert counted(context) == {}
    assert [r["answer"] for r in all_routes(database)] == ["accepted"]


def test_a_stop_gives_back_what_is_in_hand(
    context: Context,
    start_events: StartEvents,
    database: Database,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    three: list[str],
) -> None:
    """Told to stop while PostgreSQL is away it ends, and the next one takes everything at once (R17)."""
    taking = Failing(event_acceptor.take_in, DatabaseUnavailable("away"))
    taking.failing.set()
    monkeypatch.setattr(event_acceptor, "take_in", taking)
    loop = start_events("one")
    wait_until(lambda: taking.failures)
    context.stopping.set()
    loop.join()
    assert pending_ids(redis_client, EVENTS) == three

    context.stopping.clear()
    taking.failing.clear()
    start_events("two")
    start_events("three", idle=timedelta(minutes=30))
    wait_until_read(redis_client, EVENTS)
    assert count(database, "delivery_events") == len(three)


def test_a_stop_leaves_no_consumer(
    context: Context, start_events: StartEvents, redis_client: redis.Redis, three: list[str]
) -> None:
    """One that holds nothing leaves its group."""
    loop = start_events()
    wait_until_read(redis_client, EVENTS)
    context.stopping.set()
    loop.join()

    assert three
    assert consumers(redis_client, EVENTS) == set()


def test_an_event_that_kills_its_readers_is_malformed(
    start_events: StartEvents, database: Database, redis_client: redis.Redis, three: list[str]
) -> None:
    """After five deliveries it is recorded as poison, alone (R19)."""
    dead = ConsumerGroup(StreamServers(redis_client), EVENTS, GROUP, "dead")
    dead.create()
    dead.read(1, timedelta(milliseconds=1))
    redis_client.execute_command("XCLAIM", EVENTS, GROUP, "dead", 0, three[0], "IDLE", 1000, "RETRYCOUNT", 5)

    start_events("two", idle=AT_ONCE)
    wait_until_read(redis_client, EVENTS)

    assert malformed_codes(database) == [(three[0], "poison")]
    assert count(database, "delivery_events") == 2


def test_a_loop_that_dies_ends_the_process() -> None:
    """The other one is told to stop, and the error is raised: the process does not limp on."""
    stopping = threading.Event()

    def dies() -> None:
        raise MemoryError("out of it")

    with pytest.raises(MemoryError):
        run_beside([stopping.wait, dies], stopping)
    stopping.clear()
    with pytest.raises(MemoryError):
        run_beside([dies, stopping.wait], stopping)
