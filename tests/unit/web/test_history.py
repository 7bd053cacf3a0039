"""Snapshots of the last ten minutes."""

from datetime import UTC, datetime, timedelta

from publisher.domain.errors import DatabaseUnavailable
from publisher.operations.snapshot.snapshot import Snapshot, StoreSnapshot, StreamsSnapshot
from publisher.web.history import ChannelFigures, History
from storage.counts.counts import OpenRoutes
from storage.counts.rates import Happened

_NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)


def _snapshot(at: datetime, published: int = 10) -> Snapshot:
    store = StoreSnapshot(
        at,
        channels=["email"],
        window=timedelta(seconds=5),
        happened={"email": Happened(published=published)},
        open_routes={"email": OpenRoutes(due=3, in_flight=1)},
    )
    return Snapshot(at, store, StreamsSnapshot(), ["email"], timedelta(0))


def test_a_point_has_rates_a_second_and_counts() -> None:
    """A point of the history says what happened a second, and how many routes were due."""
    history = History()
    history.add(_snapshot(_NOW))
    [point] = history.points()
    assert point.of("email") == ChannelFigures(published=2.0, due=3, in_flight=1)
    assert point.of("push") == ChannelFigures()


def test_what_is_older_than_ten_minutes_is_forgotten() -> None:
    """The history reaches back ten minutes, and not further."""
    history = History()
    for minutes in range(15, -1, -1):
        history.add(_snapshot(_NOW - timedelta(minutes=minutes)))
    assert [point.at for point in history.points()] == [_NOW - timedelta(minutes=m) for m in range(10, -1, -1)]


def test_a_server_that_could_not_be_read_leaves_no_figures() -> None:
    """While PostgreSQL is away the figures are unknown, and not zero (R35)."""
    history = History()
    history.add(Snapshot(_NOW, DatabaseUnavailable("away"), StreamsSnapshot(), ["email"], timedelta(0)))
    [point] = history.points()
    assert point.of("email") is None


def test_the_newest_snapshot_has_an_age() -> None:
    """A page says how old what it shows is."""
    clock = [100.0]
    history = History(lambda: clock[0])
    assert history.newest() is None
    history.add(_snapshot(_NOW))
    clock[0] += 40
    newest = history.newest()
    assert newest is not None
    assert newest[1] == timedelta(seconds=40)
