"""Workers audit their channels by themselves, however long the queues are (R12a)."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
import redis

from actors.context import Context
from actors.routes import publish_routes
from publisher.channels.email import EMAIL
from publisher.domain.errors import DatabaseUnavailable, RedisUnavailable
from publisher.publishing.report import Report
from publisher.streams import identity as identity_module
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database
from tests.integration.publishers import logged
from tests.integration.rows import all_routes, due_routes, execute, rows
from tests.waiting import wait_until

Install = Callable[..., Context]
StartWorker = Callable[..., dramatiq.Worker]


@pytest.fixture
def quick(install: Install) -> Iterator[Context]:
    """Workers that look ten times a second whether an audit is due, and never miss a scan."""
    context = install(PUBLISHER_SCAN_INTERVAL="0.1")
    context.redis.set("publisher:scan:email", 1, ex=600)
    context.redis.set("publisher:scan:push", 1, ex=600)
    yield context
    context.stopping.set()
    wait_until(lambda: not {"auditor", "self-scan"} & {thread.name for thread in threading.enumerate()})


def covered(database: Database) -> set[str]:
    """The channels that were audited to the end."""
    return {row["channel"] for row in rows(database, "SELECT channel FROM stream_audits WHERE covered_to IS NOT NULL")}


def test_workers_audit_every_channel_without_any_message(
    quick: Context, start_worker: StartWorker, database: Database
) -> None:
    """With no clock and no message every channel is audited, the first time and each half window (R12a, R15)."""
    start_worker()
    wait_until(lambda: covered(database) == {"email", "push"})
    execute(database, "UPDATE stream_audits SET audited_at = 'epoch', covered_to = NULL")

    wait_until(lambda: covered(database) == {"email", "push"})


def test_a_worker_of_one_queue_audits_its_channel_alone(
    quick: Context, start_worker: StartWorker, database: Database
) -> None:
    """What a worker does not serve, its own workers audit (R16)."""
    start_worker("push")

    wait_until(lambda: covered(database) == {"push"})

    assert rows(database, "SELECT channel FROM stream_audits") == [{"channel": "push"}]


def test_the_channels_share_one_question_to_redis(
    quick: Context, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each interval one process asks once whether Redis is still the same, for all channels that it serves."""
    asked: list[str] = []
    whole_identity, whole_run = identity_module.read_identity, quick.loss_audit.run

    def identity(servers: StreamServers, address: str) -> str:
        asked.append("identity")
        return whole_identity(servers, address)

    def run(channel: str, identity: Callable[[str], str]) -> int:
        asked.append(channel)
        return whole_run(channel, identity)

    monkeypatch.setattr(identity_module, "read_identity", identity)
    monkeypatch.setattr(quick.loss_audit, "run", run)

    start_worker()

    wait_until(lambda: len(asked) >= 6, describe=lambda: asked)
    assert asked[:6] == ["email", "identity", "push"] * 2


def test_an_audit_does_not_wait_for_the_queue(
    quick: Context,
    start_worker: StartWorker,
    database: Database,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While every thread of every worker is at work, and a long queue waits, losses are found all the same (R12a)."""
    ids = due_routes(database, 3)
    assert quick.publisher.publish_these("email", ids).published == 3
    redis_client.flushdb()
    quick.redis.set("publisher:scan:email", 1, ex=600)
    busy, release = threading.Semaphore(0), threading.Event()

    def work(*_: Any) -> Report:
        busy.release()
        assert release.wait(60)
        return Report()

    monkeypatch.setattr(quick.publisher, "publish_these", work)
    for _ in range(100):
        publish_routes.send("email", [1])
    try:
        start_worker()
        for _ in range(4):
            assert busy.acquire(timeout=20)

        wait_until(lambda: {route["status"] for route in all_routes(database)} == {"pending"})
    finally:
        release.set()


@pytest.mark.parametrize(
    "error", [RedisUnavailable("Redis is not available"), DatabaseUnavailable("away"), ZeroDivisionError("a bug")]
)
def test_an_audit_that_fails_is_told_and_tried_again(
    error: Exception,
    quick: Context,
    start_worker: StartWorker,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever makes an audit fail, and however often: it is logged, and the next interval tries again (R12a)."""
    whole, failures = quick.loss_audit.run, iter(range(6))

    def fails_at_first(channel: str, identity: Callable[[str], str]) -> int:
        if next(failures, None) is not None:
            raise error
        return whole(channel, identity)

    monkeypatch.setattr(quick.loss_audit, "run", fails_at_first)
    with logged() as events:
        start_worker()
        wait_until(lambda: covered(database) == {"email", "push"})

    failed = [event for event in events if event["event"] == "an audit failed and will be repeated"]
    assert len(failed) == 6


def test_no_thread_where_audits_are_off(install: Install, start_worker: StartWorker) -> None:
    """PUBLISHER_AUDIT_WINDOW=0 begins nothing."""
    install(PUBLISHER_AUDIT_WINDOW="0")

    start_worker()

    assert "auditor" not in {thread.name for thread in threading.enumerate()}


def test_an_audit_that_hangs_is_seen_by_the_watchdog(
    quick: Context, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No message is at work during an audit; one that makes no progress is noticed all the same."""
    auditing, hanging = threading.Event(), threading.Event()

    def hang(*_: object) -> int:
        auditing.set()
        assert hanging.wait(20)
        return 0

    monkeypatch.setattr(quick.loss_audit, "run", hang)
    try:
        start_worker()
        assert auditing.wait(20)
        before = quick.watchdog.tick()
        assert quick.watchdog.tick() == before + 1
    finally:
        hanging.set()


def test_lost_routes_are_published_at_once(
    quick: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """What an audit returns is published without waiting for the next scan."""
    ids = due_routes(database, 3)
    assert quick.publisher.publish_these("email", ids).published == 3
    redis_client.flushdb()
    quick.redis.set("publisher:scan:email", 1, ex=600)

    start_worker()

    wait_until(lambda: redis_client.xlen(EMAIL.stream) == 3)
