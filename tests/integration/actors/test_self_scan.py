"""Workers scan by themselves when nobody else does (R14a)."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
import redis

from actors.context import Context
from actors.routes import drain, send_scan
from publisher.channels.email import EMAIL
from publisher.domain.errors import DatabaseUnavailable, RouteError
from publisher.publishing.report import Report
from publisher.streams.keys import scan_key
from publisher.streams.mutex import Mutex
from storage.database import Database
from tests.integration.dramatiq_messages import delayed, wait_for_quiet
from tests.integration.rows import all_routes, change, due_routes
from tests.waiting import wait_until

Install = Callable[..., Context]
StartWorker = Callable[..., dramatiq.Worker]
INTERVAL = "0.1"


@pytest.fixture
def impatient(install: Install) -> Iterator[Context]:
    """Workers that miss a scan after 0.3 seconds."""
    context = install(PUBLISHER_SCAN_INTERVAL=INTERVAL, PUBLISHER_BATCH_SIZE="2")
    yield context
    context.stopping.set()
    wait_until(lambda: not self_scans())


def self_scans() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name in ("self-scan", "auditor")]


def wait_until_published(database: Database) -> None:
    wait_until(
        lambda: {route["status"] for route in all_routes(database)} == {"published"},
        describe=lambda: all_routes(database),
    )


def test_workers_publish_without_any_scheduler(
    impatient: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """With no scheduler and no message at all, every due route of every channel is published, once."""
    due_routes(database, 5, "email")
    due_routes(database, 3, "push")

    start_worker()

    wait_until_published(database)
    assert redis_client.xlen(EMAIL.stream) == 5


def test_workers_notice_a_loss_without_any_scheduler(
    impatient: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """With no scheduler, commands that Redis loses are found missing and published again (R12a)."""
    due_routes(database, 2, "email")
    start_worker()
    wait_until_published(database)

    redis_client.flushall()

    wait_until(lambda: redis_client.xlen(EMAIL.stream) == 2)
    wait_until_published(database)


@pytest.mark.parametrize("error", [DatabaseUnavailable("PostgreSQL is not available"), RouteError("no notification")])
def test_a_scan_that_fails_is_repeated(
    error: Exception,
    impatient: Context,
    start_worker: StartWorker,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker whose own scan fails looks again at the next silence."""
    due_routes(database, 1)
    whole = impatient.publisher.publish_due
    errors = [error, error]

    def fails_at_first(*arguments: Any) -> Any:
        if errors:
            raise errors.pop()
        return whole(*arguments)

    monkeypatch.setattr(impatient.publisher, "publish_due", fails_at_first)
    start_worker()

    wait_until_published(database)


def test_a_redis_that_fails_stops_no_self_scan(
    impatient: Context, start_worker: StartWorker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Redis does not answer workers wait, and scan by themselves once it does."""
    whole = impatient.redis.set
    failures = threading.Semaphore(0)

    def fails(*_: Any, **__: Any) -> None:
        failures.release()
        raise redis.TimeoutError("Timeout reading from socket")

    monkeypatch.setattr(impatient.redis, "set", fails)
    due_routes(database, 1)
    start_worker()
    for _ in range(4):
        assert failures.acquire(timeout=20)
    monkeypatch.setattr(impatient.redis, "set", whole)

    wait_until_published(database)


def test_one_worker_of_all_takes_a_silence(context: Context) -> None:
    """Of all who notice a silence one scans; the others leave it to that one."""
    workers = [Mutex(context.redis, scan_key) for _ in range(3)]

    assert [scans.acquire("email", context.silence) for scans in workers] == [True, False, False]


def test_a_worker_of_some_queues_scans_their_channels_alone(
    impatient: Context, start_worker: StartWorker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of the push queue notices no silence of email, and publishes none of its routes (R14a, R16)."""
    noticed: list[str] = []
    whole = Mutex.acquire

    def acquire(self: Mutex, channel: str, period: timedelta) -> bool:
        if period == impatient.silence:
            noticed.append(channel)
        return whole(self, channel, period)

    monkeypatch.setattr(Mutex, "acquire", acquire)
    due_routes(database, 2, "email")
    due_routes(database, 2, "push")

    start_worker("push")

    wait_until(lambda: len(noticed) >= 12, describe=lambda: noticed)
    assert set(noticed) == {"push"}
    assert {(route["channel"], route["status"]) for route in all_routes(database)} == {
        ("email", "pending"),
        ("push", "published"),
    }


def test_a_scan_ends_the_silence(context: Context, start_worker: StartWorker) -> None:
    """A channel that was scanned is not silent; another one is (R16)."""
    start_worker()
    send_scan("email")

    wait_until(lambda: context.redis.exists("publisher:scan:email"))

    other = Mutex(context.redis, scan_key)
    assert not other.acquire("email", context.silence)
    assert other.acquire("push", context.silence)


def test_a_silence_lasts_three_intervals(install: Install, redis_client: redis.Redis) -> None:
    """A channel counts as silent three intervals after its last scan."""
    context = install(PUBLISHER_SCAN_INTERVAL="20")

    context.scans.extend("email", context.silence)

    assert 50_000 < redis_client.pttl("publisher:scan:email") <= 60_000


def test_a_drain_goes_on_until_nothing_is_due(install: Install, database: Database, redis_client: redis.Redis) -> None:
    """Scanning by itself takes batch after batch, and sends failed routes a message for their retry."""
    install(PUBLISHER_BATCH_SIZE="2", PUBLISHER_ROUTE_BACKOFF_MIN="60")
    ids = due_routes(database, 5)
    change(database, ids[4:], "resolved_email = 'no address'")

    drain("email")

    assert [route["status"] for route in all_routes(database)] == ["published"] * 4 + ["failed"]
    assert [message["args"][1] for message in delayed(redis_client, "email")] == [ids[4:]]


def test_a_process_that_stops_scans_no_more(context: Context, database: Database) -> None:
    """A process that was told to stop begins no scan of its own (R17)."""
    due_routes(database, 1)
    context.stopping.set()

    drain("email")

    assert [route["status"] for route in all_routes(database)] == ["pending"]


def test_a_self_scan_that_hangs_is_seen_by_the_watchdog(
    impatient: Context, start_worker: StartWorker, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No message is at work during a worker's own scan; an encoder that hangs in it is noticed all the same."""
    scanning, hanging = threading.Event(), threading.Event()

    def hang(*_: Any) -> Any:
        scanning.set()
        assert hanging.wait(20)
        return Report()

    monkeypatch.setattr(impatient.publisher, "publish_due", hang)
    try:
        start_worker()
        assert scanning.wait(20)
        for queue in ("email", "push"):
            wait_for_quiet(redis_client, queue)
        before = impatient.watchdog.tick()
        assert impatient.watchdog.tick() == before + 1
    finally:
        hanging.set()
