"""Snapshots of the service, one after the other, also while a server is away (R35)."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import redis

from publisher.domain.circuit import GateState
from publisher.domain.errors import DatabaseUnavailable, RedisUnavailable
from publisher.domain.notification import RouteStatus
from publisher.environment import load_settings
from publisher.local.embedded import Servers
from publisher.observability.catalogue import INTENTS_UNREAD
from publisher.observability.gauges import gauges_of
from publisher.operations.snapshot.fields import activity_fields
from publisher.operations.snapshot.snapshot import Counting, StoreSnapshot, StreamsSnapshot
from publisher.operations.snapshot.taking import Snapshots
from publisher.operations.verdict.judge import judge
from publisher.operations.verdict.verdict import Cause
from publisher.streams.heartbeats import ProcessRegister
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from storage.counts.rates import WINDOW, Happened, Mark
from storage.database import Database
from storage.gates import pause
from tests.conftest import connected, run_sql
from tests.factories import INTENTS, accepted, intent_fields
from tests.integration.process.test_heartbeats import WORKER
from tests.integration.rows import FINAL, change, due_routes, execute
from tests.valkeys import OwnValkey
from tests.waiting import wait_until


def snapshots_of(database: Database, client: redis.Redis) -> Snapshots:
    """Takes snapshots of these servers, whatever the settings' URLs say."""
    unused = {"DATABASE_URL": "postgresql://unused", "REDIS_URL": "redis://unused"}
    return Snapshots(database, StreamServers(client), load_settings(unused))


def store_of(snapshots: Snapshots) -> StoreSnapshot:
    store = snapshots.take().store
    assert isinstance(store, StoreSnapshot), store
    return store


def streams_of(snapshots: Snapshots) -> StreamsSnapshot:
    streams = snapshots.take().streams
    assert isinstance(streams, StreamsSnapshot), streams
    return streams


def test_the_first_snapshot_of_an_empty_system_shows_its_channels(
    database: Database, redis_client: redis.Redis
) -> None:
    """Installed channels are there with nothing to say of them; the rates are those of the last ten seconds."""
    store = store_of(snapshots_of(database, redis_client))

    assert (store.channels, store.window) == (["email", "push"], WINDOW)
    assert (store.happened, store.open_routes, store.gates, store.failures) == ({}, {}, {}, [])


def test_a_snapshot_shows_what_there_is(database: Database, redis_client: redis.Redis) -> None:
    """Open routes, closed channels and orphans, and what waits on the stream, each from its own place."""
    ids = due_routes(database, 3)
    change(database, ids[:1], "channel = 'sms'")
    pause(database, "push", "ann", "gateway moves")
    redis_client.xadd(INTENTS, intent_fields())  # type: ignore[arg-type]
    ProcessRegister(redis_client).sign(WORKER)
    snapshots = snapshots_of(database, redis_client)

    store, streams = store_of(snapshots), streams_of(snapshots)

    assert store.channels == ["email", "push", "sms"]
    assert (store.open_routes["email"].due, store.open_routes["sms"].due) == (2, 1)
    assert store.gates["push"].state is GateState.PAUSED
    assert streams.intents.unread == 1
    assert [seen.process for seen in streams.processes] == [WORKER]


def test_the_next_snapshot_counts_from_the_last(database: Database, redis_client: redis.Redis) -> None:
    """What was counted is not counted again, and nothing between two snapshots is lost."""
    snapshots = snapshots_of(database, redis_client)
    ids = due_routes(database, 5)
    first = store_of(snapshots)
    change(database, ids, FINAL["published"])

    counted = 0
    windows = []

    def all_counted() -> bool:
        nonlocal counted
        store = store_of(snapshots)
        counted += store.happened.get("email", Happened()).published
        windows.append(store.window)
        return counted >= 5

    wait_until(all_counted)
    later = store_of(snapshots)

    assert counted == 5
    assert later.happened == {}
    assert max(windows) < later.at - first.at


def test_finished_routes_are_counted_only_when_asked_for(database: Database, redis_client: redis.Redis) -> None:
    """A snapshot for every second has no totals; with them, finished and open routes are counted by status."""
    ids = due_routes(database, 5)
    change(database, ids[:3], FINAL["published"])
    snapshots = snapshots_of(database, redis_client)

    assert store_of(snapshots).totals is None
    for counting in (Counting.ESTIMATED, Counting.EXACT):
        store = snapshots.take(counting).store
        assert isinstance(store, StoreSnapshot)
        assert store.totals is not None
        counts = [store.totals.count("email", status).value for status in (RouteStatus.PUBLISHED, RouteStatus.PENDING)]
        assert counts == [3, 2]


def test_after_a_long_silence_the_rates_are_those_of_now(database: Database, redis_client: redis.Redis) -> None:
    """A snapshot taken hours after the last, or before it since a clock was set, counts the last seconds alone."""
    snapshots = snapshots_of(database, redis_client)
    store_of(snapshots)
    counted = snapshots._counted
    assert isinstance(counted, Mark)

    for off in (timedelta(hours=-3), timedelta(hours=3)):
        snapshots._counted = replace(counted, until=counted.until + off)
        assert store_of(snapshots).window == WINDOW


def test_a_snapshot_says_that_redis_is_away_and_goes_on(
    database: Database, own_valkey: OwnValkey, own_client: redis.Redis
) -> None:
    """Its half of the snapshot is the error until it is back; the other half is there all the time."""
    accepted(database)
    snapshots = snapshots_of(database, own_client)
    own_valkey.stop()

    snapshot = snapshots.take()
    own_valkey.start()

    assert isinstance(snapshot.streams, RedisUnavailable)
    assert isinstance(snapshot.store, StoreSnapshot)
    assert isinstance(snapshots.take().streams, StreamsSnapshot)


def test_a_snapshot_says_that_postgresql_is_away_and_goes_on(
    database: Database, servers: Servers, redis_client: redis.Redis
) -> None:
    """Its half of the snapshot is the error until it is back; the other half is there all the time."""
    [[name]] = database.rows("SELECT current_database()")
    snapshots = snapshots_of(database, redis_client)
    store_of(snapshots)
    run_sql(
        servers.database_url,
        f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false',
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )

    snapshot = snapshots.take()
    run_sql(servers.database_url, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    assert isinstance(snapshot.store, DatabaseUnavailable)
    assert isinstance(snapshot.streams, StreamsSnapshot)
    assert isinstance(snapshots.take().store, StoreSnapshot)


def test_a_schema_that_is_too_old_is_told(database: Database, redis_client: redis.Redis) -> None:
    """Before the migration of a deploy a snapshot says what to run, and goes on."""
    execute(database, "ALTER TABLE channel_gates RENAME TO later")
    snapshots = snapshots_of(database, redis_client)

    assert "publisher migrate" in str(snapshots.take().store)

    execute(database, "ALTER TABLE later RENAME TO channel_gates")
    assert isinstance(snapshots.take().store, StoreSnapshot)


def test_snapshots_leave_no_connection_behind(database_url: str, redis_client: redis.Redis) -> None:
    """One connection serves every snapshot."""
    with closing(Database(database_url, application_name="watched")) as database:
        snapshots = snapshots_of(database, redis_client)
        for _ in range(5):
            store_of(snapshots)
        with connected(database_url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'watched'")
            assert cursor.fetchone() == (1,)


def test_the_audit_of_a_channel_that_is_no_longer_installed_is_shown(
    database: Database, redis_client: redis.Redis
) -> None:
    """Its routes wait still: when they were last audited stands beside them (R12a, R35)."""
    pause(database, "fax", "ann", "its package is being replaced")
    execute(database, "INSERT INTO stream_audits (channel, redis_identity, audited_at) VALUES ('fax', 'x', now())")

    store = store_of(snapshots_of(database, redis_client))

    assert store.audit("fax").audited_at is not None


def test_totals_are_read_without_the_current_activity(database: Database, redis_client: redis.Redis) -> None:
    """What happened lately is not looked for where nobody shows it, and the next snapshot counts it still (R35)."""
    ids = due_routes(database, 2)
    snapshots = snapshots_of(database, redis_client)
    store_of(snapshots)
    change(database, ids, FINAL["published"])

    totals = snapshots.take(Counting.ESTIMATED).store
    assert isinstance(totals, StoreSnapshot), totals

    assert (totals.happened, totals.failures, totals.window) == ({}, (), timedelta(0))
    assert totals.totals is not None
    assert totals.totals.count("email", RouteStatus.PUBLISHED).value == 2
    wait_until(lambda: store_of(snapshots).activity("email").published == 2)


def test_a_redis_of_the_intents_that_is_away_hides_nothing_else(database: Database, redis_client: redis.Redis) -> None:
    """Its setting is named; processes, queues and who reads the commands are shown all the same (R35, R37)."""
    ProcessRegister(redis_client).sign(WORKER)
    urls = {"DATABASE_URL": "postgresql://unused", "REDIS_URL": "redis://unused"}
    settings = load_settings(urls | {"PUBLISHER_INTENTS_REDIS_URL": "redis://127.0.0.1:1/0"})
    away = open_redis(
        "redis://127.0.0.1:1/0",
        timeout=timedelta(seconds=1),
        client_name="test",
        variable="PUBLISHER_INTENTS_REDIS_URL",
    )
    with closing(away):
        servers = StreamServers(redis_client, {"redis://127.0.0.1:1/0": away}, settings.placed)
        snapshot = Snapshots(database, servers, settings).take()

    assert isinstance(snapshot.streams, StreamsSnapshot)
    assert snapshot.streams.intents is None
    assert [seen.process.role for seen in snapshot.streams.processes] == ["worker"]
    assert sorted(snapshot.streams.readers) == ["email", "push"]
    [problem] = snapshot.problems
    assert "PUBLISHER_INTENTS_REDIS_URL" in problem
    assert judge(snapshot).worst.cause is Cause.REDIS_UNREAD
    assert activity_fields(snapshot)["intents"] is None
    assert INTENTS_UNREAD not in [sample.gauge for sample in gauges_of(snapshot)]
