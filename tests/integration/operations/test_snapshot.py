"""A look at everything, again and again, also while a server is away."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import redis

from publisher.domain.errors import DatabaseUnavailable, RedisUnavailable
from publisher.domain.gate import GateState
from publisher.local.embedded import Servers
from publisher.operations.snapshot import StoreLook, StreamsLook, Watcher
from publisher.streams.processes import ProcessRegister
from storage.database import Database
from storage.gates import pause
from storage.rates import WINDOW, Happened, Mark
from tests.conftest import connected, run_sql
from tests.factories import GROUP, INTENTS, accepted, intent_fields
from tests.integration.process.test_processes_seen import WORKER
from tests.integration.rows import FINAL, change, due_routes, execute
from tests.valkeys import OwnValkey
from tests.waiting import wait_until


def watcher(database: Database, client: redis.Redis) -> Watcher:
    return Watcher(database, client, channels=["email", "push"], stream=INTENTS, group=GROUP)


def store_of(watcher: Watcher) -> StoreLook:
    store = watcher.look().store
    assert isinstance(store, StoreLook), store
    return store


def streams_of(watcher: Watcher) -> StreamsLook:
    streams = watcher.look().streams
    assert isinstance(streams, StreamsLook), streams
    return streams


def test_the_first_look_at_an_empty_system_shows_its_channels(database: Database, redis_client: redis.Redis) -> None:
    """Installed channels are there with nothing to say of them; the rates are those of the last ten seconds."""
    store = store_of(watcher(database, redis_client))

    assert (store.channels, store.span) == (["email", "push"], WINDOW)
    assert (store.happened, store.open, store.gates, store.failures) == ({}, {}, {}, [])


def test_a_look_shows_what_there_is(database: Database, redis_client: redis.Redis) -> None:
    """Open routes, closed channels and orphans, and what waits on the stream, each from its own place."""
    ids = due_routes(database, 3)
    change(database, ids[:1], "channel = 'sms'")
    pause(database, "push", "ann", "gateway moves")
    redis_client.xadd(INTENTS, intent_fields())  # type: ignore[arg-type]
    ProcessRegister(redis_client).sign(WORKER)
    watching = watcher(database, redis_client)

    store, streams = store_of(watching), streams_of(watching)

    assert store.channels == ["email", "push", "sms"]
    assert (store.open["email"].due, store.open["sms"].due) == (2, 1)
    assert store.gates["push"].state is GateState.PAUSED
    assert streams.intents.lag == 1
    assert [seen.process for seen in streams.processes] == [WORKER]


def test_the_next_look_counts_from_the_last(database: Database, redis_client: redis.Redis) -> None:
    """What was counted is not counted again, and nothing between two looks is lost."""
    watching = watcher(database, redis_client)
    ids = due_routes(database, 5)
    first = store_of(watching)
    change(database, ids, FINAL["published"])

    counted = 0
    spans = []

    def all_counted() -> bool:
        nonlocal counted
        store = store_of(watching)
        counted += store.happened.get("email", Happened()).published
        spans.append(store.span)
        return counted >= 5

    wait_until(all_counted)
    later = store_of(watching)

    assert counted == 5
    assert later.happened == {}
    assert max(spans) < later.at - first.at


def test_after_a_long_silence_the_rates_are_those_of_now(database: Database, redis_client: redis.Redis) -> None:
    """A look that comes hours after the last, or before it since a clock was set, counts the last seconds alone."""
    watching = watcher(database, redis_client)
    store_of(watching)
    counted = watching._counted
    assert isinstance(counted, Mark)

    for off in (timedelta(hours=-3), timedelta(hours=3)):
        watching._counted = replace(counted, until=counted.until + off)
        assert store_of(watching).span == WINDOW


def test_a_frame_says_that_redis_is_away_and_goes_on(
    database: Database, own_valkey: OwnValkey, own_client: redis.Redis
) -> None:
    """Its half of the frame is the error until it is back; the other half is there all the time."""
    accepted(database)
    watching = watcher(database, own_client)
    own_valkey.stop()

    frame = watching.look()
    own_valkey.start()

    assert isinstance(frame.streams, RedisUnavailable)
    assert isinstance(frame.store, StoreLook)
    assert isinstance(watching.look().streams, StreamsLook)


def test_a_frame_says_that_postgresql_is_away_and_goes_on(
    database: Database, servers: Servers, redis_client: redis.Redis
) -> None:
    """Its half of the frame is the error until it is back; the other half is there all the time."""
    [[name]] = database.rows("SELECT current_database()")
    watching = watcher(database, redis_client)
    store_of(watching)
    run_sql(
        servers.database_url,
        f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false',
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )

    frame = watching.look()
    run_sql(servers.database_url, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    assert isinstance(frame.store, DatabaseUnavailable)
    assert isinstance(frame.streams, StreamsLook)
    assert isinstance(watching.look().store, StoreLook)


def test_a_schema_that_is_too_old_is_told(database: Database, redis_client: redis.Redis) -> None:
    """Before the migration of a deploy a frame says what to run, and goes on."""
    execute(database, "ALTER TABLE channel_gates RENAME TO later")
    watching = watcher(database, redis_client)

    assert "publisher migrate" in str(watching.look().store)

    execute(database, "ALTER TABLE later RENAME TO channel_gates")
    assert isinstance(watching.look().store, StoreLook)


def test_watching_leaves_no_connection_behind(database_url: str, redis_client: redis.Redis) -> None:
    """One connection serves every look."""
    with closing(Database(database_url, application_name="watched")) as database:
        watching = watcher(database, redis_client)
        for _ in range(5):
            store_of(watching)
        with connected(database_url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'watched'")
            assert cursor.fetchone() == (1,)
