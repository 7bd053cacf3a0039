"""What a scrape gets: the gauges of the newest snapshot, whatever the servers do (R25, R35)."""

import threading
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise

import prometheus_client
import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from publisher.domain.errors import RedisUnavailable
from publisher.observability import exporter
from publisher.observability.catalogue import GAUGES
from publisher.observability.exporter import GaugeExporter
from publisher.operations.snapshot.snapshot import Snapshot
from publisher.operations.snapshot.taking import Snapshots
from storage.database import Database
from storage.schema.schema import newest_migration
from tests.integration.operations.snapshot.test_snapshot import snapshots_of
from tests.integration.rows import due_routes, execute
from tests.waiting import wait_until


@dataclass
class Exported:
    """An exporter over these servers, with a clock that only the test moves."""

    database: Database
    snapshots: Snapshots
    registry: prometheus_client.CollectorRegistry = field(default_factory=prometheus_client.CollectorRegistry)
    seconds: float = 1000.0

    def __post_init__(self) -> None:
        self.exporter = GaugeExporter(self.database, self.snapshots, self.registry, lambda: self.seconds)

    def scraped(self) -> dict[tuple[str, ...], float]:
        """The samples of a scrape, by name and values of labels."""
        text = prometheus_client.generate_latest(self.registry).decode()
        families = text_string_to_metric_families(text)
        return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


@pytest.fixture
def exported(database: Database, redis_client: redis.Redis) -> Exported:
    """An exporter that has taken no snapshot yet."""
    return Exported(database, snapshots_of(database, redis_client))


def test_a_scrape_gets_the_newest_snapshot(exported: Exported) -> None:
    """Nothing before the first one; then what it showed, until the next."""
    assert exported.scraped() == {}
    due_routes(exported.database, 3)
    exported.exporter.refresh()
    execute(exported.database, "DELETE FROM routes WHERE id = (SELECT min(id) FROM routes)")

    assert exported.scraped()["publisher_routes_due", "email"] == 3
    exported.seconds += 5
    exported.exporter.refresh()
    assert exported.scraped()["publisher_routes_due", "email"] == 2


def test_a_scrape_says_which_schema_there_is(exported: Exported) -> None:
    """By the newest migration, and how many of this release are missing."""
    exported.exporter.refresh()

    found = exported.scraped()
    assert found["publisher_schema_pending_migrations",] == 0
    assert found["publisher_schema_info", newest_migration(exported.database)] == 1


def test_every_gauge_has_the_help_of_the_list(exported: Exported) -> None:
    """One sentence each, and no gauge beside the list."""
    exported.exporter.refresh()
    listed = {gauge.name: gauge.help for gauge in GAUGES}

    text = prometheus_client.generate_latest(exported.registry).decode()
    shown = {family.name: family.documentation for family in text_string_to_metric_families(text)}

    assert shown
    assert shown.items() <= listed.items()


def test_old_gauges_are_left_out(exported: Exported) -> None:
    """A process that cannot take snapshots any more tells when the last was taken, and nothing that may be over."""
    exported.exporter.refresh()
    exported.seconds += 61

    assert set(exported.scraped()) == {("publisher_snapshot_timestamp_seconds",)}


def test_with_postgresql_away_the_gauges_of_redis_stand(redis_client: redis.Redis) -> None:
    """And none says how many routes are due."""
    with closing(Database("postgresql://127.0.0.1:1/none", application_name="test")) as away:
        exported = Exported(away, snapshots_of(away, redis_client))
        exported.exporter.refresh()

    found = exported.scraped()
    assert (found["publisher_server_read", "postgresql"], found["publisher_server_read", "redis"]) == (0, 1)
    assert ("publisher_intents_unread",) in found
    assert not [key for key in found if key[0] in ("publisher_routes_due", "publisher_schema_info")]


def test_snapshots_take_a_tenth_of_the_time_at_most(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    """With millions of open routes one takes seconds: the next one waits for ten times as long."""
    take = exported.snapshots.take
    taken = []

    def slow() -> object:
        exported.seconds += 3
        taken.append(exported.seconds)
        return take()

    monkeypatch.setattr(exported.snapshots, "take", slow)
    for _ in range(20):
        exported.exporter.refresh()
        exported.seconds += 5

    assert [later - earlier for earlier, later in pairwise(taken)] == [33.0] * (len(taken) - 1)
    assert len(taken) > 2


def test_a_server_that_is_away_is_asked_each_time(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for its timeouts burdens nobody: what it says, once it is back, is seen at the next interval."""
    taken = []

    def hangs() -> Snapshot:
        exported.seconds += 2
        taken.append(exported.seconds)
        return replace(snapshot, streams=RedisUnavailable("no answer"))

    snapshot = exported.snapshots.take()
    monkeypatch.setattr(exported.snapshots, "take", hangs)
    for _ in range(3):
        exported.exporter.refresh()
        exported.seconds += 5

    assert [later - earlier for earlier, later in pairwise(taken)] == [7.0, 7.0]


def test_the_gauges_of_a_slow_snapshot_stay_until_the_next(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that hangs has a snapshot wait for its timeouts: that it cannot be read is told without a gap (R35)."""
    take = exported.snapshots.take

    def slow() -> object:
        exported.seconds += 20
        # What a scrape gets while the snapshot is under way.
        gaps.append(("publisher_server_read", "redis") not in exported.scraped())
        return take()

    gaps: list[bool] = []
    monkeypatch.setattr(exported.snapshots, "take", slow)
    for _ in range(60):
        exported.exporter.refresh()
        exported.seconds += 5
        gaps.append(("publisher_server_read", "redis") not in exported.scraped())

    assert gaps == [True] + [False] * (len(gaps) - 1)


def test_snapshots_go_on_after_a_bug_and_hold_up_no_end(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails is logged, and the next one is taken; a process that stops waits for none (R17)."""
    take, failed, stopping = exported.snapshots.take, [], threading.Event()

    def fails_once() -> object:
        if not failed:
            failed.append(threading.current_thread().daemon)
            raise ZeroDivisionError
        return take()

    monkeypatch.setattr(exported.snapshots, "take", fails_once)
    monkeypatch.setattr(exporter, "INTERVAL", timedelta(milliseconds=10))
    exported.exporter.start(stopping)
    try:
        wait_until(lambda: ("publisher_server_read", "postgresql") in exported.scraped())
    finally:
        stopping.set()
    wait_until(lambda: "snapshots" not in {thread.name for thread in threading.enumerate()})

    assert failed == [True]
