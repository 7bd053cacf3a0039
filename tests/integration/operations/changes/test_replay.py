"""Replay of intents as a page would ask for it: surveyed, then run with callbacks, and its end a value (R18, R34)."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import redis

from publisher.domain.errors import BadRequest, RedisUnavailable
from publisher.intake.replay import IntentsReplay
from publisher.operations.changes.replay import ReplayByHand, ReplayEnded, ReplayTally, ReplayWindow, ranges_of
from publisher.settings.settings import Settings
from publisher.streams.servers.stream_servers import StreamServers
from storage.actions import ActionOutcome, find_action
from storage.database import Database
from tests.factories import CHANNELS, GROUP, INTENTS
from tests.integration.rows import rows
from tests.integration.stream_entries import send_intents

WINDOW = ReplayWindow(datetime(2020, 1, 1, tzinfo=UTC))


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    """With pages of two entries."""
    return Settings.from_environ(environ | {"PUBLISHER_BATCH_SIZE": "2"}, CHANNELS)


@pytest.fixture
def stopping() -> threading.Event:
    """Tells the replay to stop."""
    return threading.Event()


@pytest.fixture
def work(
    database: Database, redis_client: redis.Redis, redis_url: str, settings: Settings, stopping: threading.Event
) -> Iterator[ReplayByHand]:
    """The replay of five intents that were acknowledged, and that PostgreSQL lacks."""
    ids = send_intents(redis_client, 5)
    redis_client.xgroup_create(INTENTS, GROUP, "0")
    redis_client.xreadgroup(GROUP, "one", {INTENTS: ">"})
    redis_client.xack(INTENTS, GROUP, *ids)
    with redis.Redis.from_url(redis_url) as client:
        wanted = ranges_of(StreamServers(redis_client), settings, WINDOW)
        yield ReplayByHand(database, StreamServers(client), settings, wanted, stopping)


def run(work: ReplayByHand, on_page: Callable[[int], None] = lambda _: None) -> tuple[ReplayEnded, list[str]]:
    """How it ended, and which channels were woken."""
    woken: list[str] = []

    def wake(channel: str) -> bool:
        woken.append(channel)
        return True

    return work.run("ann", WINDOW, 5, on_page, wake), woken


def accepted(database: Database) -> int:
    """How many intents were accepted."""
    return len(rows(database, "SELECT FROM notifications"))


def test_a_survey_tells_its_progress_and_changes_nothing(work: ReplayByHand, database: Database) -> None:
    """Page by page how much was looked at; at the end how much is missing."""
    pages: list[int] = []

    assert work.survey(pages.append) == ReplayTally(seen=5, missing=5)

    assert (pages, accepted(database), rows(database, "SELECT FROM operator_actions")) == ([2, 2, 1], 0, [])


def test_a_replay_tells_its_progress_and_wakes_the_channels(work: ReplayByHand, database: Database) -> None:
    """Each page is committed and counted before it is told; the action keeps the window (R34)."""
    seen: list[tuple[int, int]] = []

    ended, woken = run(work, lambda _: seen.append((accepted(database), find_action(database, 1).done)))

    assert ended == ReplayEnded(1, ActionOutcome.DONE, ReplayTally(seen=5, missing=5, replayed=5))
    assert seen == [(2, 2), (4, 4), (5, 5)]
    assert woken == ["email", "push"]
    record = find_action(database, 1)
    assert (record.by, record.matched, record.outcome) == ("ann", 5, ActionOutcome.DONE)
    assert set(record.target) == {"since", "older_too", "stream"}


@pytest.mark.parametrize("ctrl_c", [False, True])
def test_a_stop_and_ctrl_c_end_it_behind_a_page_and_again_does_the_rest(
    work: ReplayByHand, database: Database, stopping: threading.Event, ctrl_c: bool
) -> None:
    """Both are one value; what was taken in stays, its channels are woken, and the next replay finds it known (R18)."""

    def stop(_: int) -> None:
        if ctrl_c:
            raise KeyboardInterrupt
        stopping.set()

    ended, woken = run(work, stop)

    assert ended == ReplayEnded(1, ActionOutcome.INTERRUPTED, ReplayTally(seen=2, missing=2, replayed=2))
    assert (find_action(database, 1).outcome, woken) == (ActionOutcome.INTERRUPTED, ["email", "push"])
    stopping.clear()
    ended, _ = run(work)
    assert ended == ReplayEnded(2, ActionOutcome.DONE, ReplayTally(seen=5, missing=3, replayed=3))


def test_a_replay_that_loses_redis_has_failed(
    work: ReplayByHand, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is raised, and the action tells that it failed, and what it had done (R34)."""

    def lose(_: int) -> None:
        monkeypatch.setattr(IntentsReplay, "judge", away)

    def away(*_: object) -> None:
        raise RedisUnavailable("Redis is away")

    with pytest.raises(RedisUnavailable):
        run(work, lose)

    record = find_action(database, 1)
    assert (record.done, record.outcome) == (2, ActionOutcome.FAILED)


def test_a_stream_that_nobody_has_read_has_no_range(redis_client: redis.Redis, settings: Settings) -> None:
    """What nobody has read is intake's to read, not lost."""
    with pytest.raises(BadRequest, match="nothing was read of notification:intents yet"):
        ranges_of(StreamServers(redis_client), settings, WINDOW)


@pytest.mark.usefixtures("end_not_heard")
def test_workers_are_woken_though_nobody_heard_that_its_end_is_recorded(work: ReplayByHand, database: Database) -> None:
    """All five are taken in: the replay says so, and their channels are looked at (R34)."""
    ended, woken = run(work)

    assert (ended.outcome, ended.tally.replayed, accepted(database)) == (ActionOutcome.DONE, 5, 5)
    assert woken == ["email", "push"]
