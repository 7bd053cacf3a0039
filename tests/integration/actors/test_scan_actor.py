"""Scanning a channel by message: in batches, until nothing is due (R14)."""

from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.common import current_millis

from actors.context import Context
from actors.routes import scan_due_routes, send_scan
from publisher.channels.email import EMAIL
from publisher.channels.push import PUSH
from publisher.domain.errors import BadRequest, DatabaseUnavailable, RedisUnavailable
from publisher.publishing.report import Report
from publisher.streams import scan_runs
from publisher.streams.scan_runs import RunState
from storage.database import Database
from tests.integration.dramatiq_messages import dead, delayed, held, wait_for_quiet
from tests.integration.rows import all_routes, change, due_routes, make_due, one_route
from tests.waiting import wait_until

Install = Callable[..., Context]
StartWorker = Callable[[], dramatiq.Worker]


def statuses(database: Database) -> set[str]:
    return {route["status"] for route in all_routes(database)}


def wait_for_run(client: redis.Redis, run: str) -> RunState:
    """What the run did, once it is done."""
    wait_until(lambda: scan_runs.state(client, run).open <= 0, describe=lambda: scan_runs.state(client, run))
    return scan_runs.state(client, run)


def noting(context: Context, monkeypatch: pytest.MonkeyPatch) -> list[Report]:
    """The report of every batch that is scanned from now on."""
    reports: list[Report] = []
    whole = context.publisher.publish_due

    def noted(*arguments: Any, **options: Any) -> Report:
        reports.append(whole(*arguments, **options))
        return reports[-1]

    monkeypatch.setattr(context.publisher, "publish_due", noted)
    return reports


def test_a_scan_drains_the_channel_batch_by_batch(
    install: Install,
    start_worker: StartWorker,
    database: Database,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One scan message publishes everything that is due, never more than a batch at a time."""
    reports = noting(install(PUBLISHER_BATCH_SIZE="2"), monkeypatch)
    due_routes(database, 7)
    start_worker()

    send_scan("email")
    wait_for_quiet(redis_client, "email")

    assert statuses(database) == {"published"}
    assert sum(report.published for report in reports) == 7 == redis_client.xlen(EMAIL.stream)
    assert max(report.published for report in reports) == 2


def test_a_scan_of_one_channel_leaves_the_others_alone(
    context: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """A scan publishes the routes of its own channel (R16)."""
    due_routes(database, 2, "email")
    due_routes(database, 2, "push")
    start_worker()

    send_scan("push")
    wait_for_quiet(redis_client, "push")

    assert (redis_client.xlen(EMAIL.stream), redis_client.xlen(PUSH.stream)) == (0, 2)


def test_a_scan_finds_what_no_message_speaks_of(
    context: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """With every message lost, one scan publishes what is due: new, failed and abandoned routes (R14)."""
    _, failed, abandoned = due_routes(database, 3)
    change(database, [failed], "status = 'failed', attempt_count = 3")
    change(database, [abandoned], "lease_token = 'dead', lease_expires_at = now() - interval '1 second'")
    start_worker()

    send_scan("email")
    wait_for_quiet(redis_client, "email")

    assert statuses(database) == {"published"}


def test_a_failed_route_of_a_scan_comes_back_by_message(
    install: Install, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """Routes of a scan that failed wait in a message for their next attempt; the scan itself is done."""
    install(PUBLISHER_ROUTE_BACKOFF_MIN="60")
    ids = due_routes(database, 2)
    redis_client.set(EMAIL.stream, "not a stream")
    start_worker()

    send_scan("email")
    [message] = wait_until(lambda: delayed(redis_client, "email"))

    assert (message["actor_name"], sorted(message["args"][1])) == ("publish_routes", ids)
    wait_until(lambda: len(held(redis_client, "email")) == 1)


def test_dead_letters_of_a_scan_are_dramatiqs_too(
    context: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """A scan that dead-lettered a route is a dead letter of Dramatiq, and is not retried."""
    good, bad = due_routes(database, 2)
    change(database, [bad], "max_attempts = 1, resolved_email = 'no address'")
    start_worker()

    send_scan("email")
    wait_for_quiet(redis_client, "email")

    assert [one_route(database, id_)["status"] for id_ in (good, bad)] == ["published", "dead_letter"]
    [message] = dead(redis_client, "email")
    assert "retries" not in message["options"]


def test_a_scan_that_waited_too_long_is_dropped(
    context: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """A scan older than its max_age publishes nothing: a later one covers it."""
    due_routes(database, 1)
    old = scan_due_routes.message_with_options(args=("email",), max_age=1000)
    dramatiq.get_broker().enqueue(old.copy(message_timestamp=current_millis() - 2000))
    start_worker()

    wait_for_quiet(redis_client, "email")

    assert statuses(database) == {"pending"}


def test_a_scan_waits_three_intervals_at_most(install: Install, redis_client: redis.Redis) -> None:
    """A scan may wait for three intervals before a later one covers it."""
    install(PUBLISHER_SCAN_INTERVAL="7")

    send_scan("email")

    [message] = held(redis_client, "email")
    assert message["options"]["max_age"] == 21_000


def test_a_scan_of_no_channel_is_refused(context: Context) -> None:
    """A scan of an unknown channel is a bad request that names those there are."""
    with pytest.raises(BadRequest, match="email, push"):
        scan_due_routes("fax")


def test_an_ad_hoc_scan_says_what_it_did(
    install: Install, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """A scan with a run id counts what all its batches did, and when they are done."""
    install(PUBLISHER_BATCH_SIZE="2", PUBLISHER_ROUTE_BACKOFF_MIN="60")
    ids = due_routes(database, 7)
    change(database, ids[5:], "resolved_email = 'no address'")
    change(database, ids[6:], "max_attempts = 1")
    start_worker()

    send_scan("email", "run-1")

    assert wait_for_run(redis_client, "run-1") == RunState(open=0, published=5, rescheduled=1, dead_lettered=1)


def test_an_ad_hoc_scan_of_nothing_is_done(context: Context, start_worker: StartWorker) -> None:
    """A scan that finds nothing due is done with nothing."""
    start_worker()

    send_scan("email", "run-1")

    assert wait_for_run(context.redis, "run-1") == RunState(open=0, published=0, rescheduled=0, dead_lettered=0)


def test_an_ad_hoc_scan_waits_for_workers(context: Context) -> None:
    """A scan that no worker has taken yet is open; one that was never asked for is not."""
    send_scan("email", "run-1")

    assert scan_runs.state(context.redis, "run-1").open == 1
    assert scan_runs.state(context.redis, "run-2").open == 0


def test_a_scan_that_failed_and_came_again_is_done_once(
    context: Context, start_worker: StartWorker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ad-hoc scan that fails is open until its repetition is done, and counted once."""
    due_routes(database, 3)
    whole = context.publisher.publish_due
    open_at_each_try: list[int] = []

    def fails_twice(*arguments: Any, **options: Any) -> Report:
        open_at_each_try.append(scan_runs.state(context.redis, "run-1").open)
        if len(open_at_each_try) < 3:
            raise DatabaseUnavailable("PostgreSQL is not available: connection refused")
        return whole(*arguments, **options)

    monkeypatch.setattr(context.publisher, "publish_due", fails_twice)
    start_worker()

    send_scan("email", "run-1")

    assert wait_for_run(context.redis, "run-1") == RunState(open=0, published=3, rescheduled=0, dead_lettered=0)
    assert open_at_each_try == [1, 1, 1]


def test_what_is_known_of_a_run_goes_away(context: Context, redis_client: redis.Redis) -> None:
    """The counts of a run are kept for an hour, not for ever."""
    send_scan("email", "run-1")

    assert 0 < redis_client.ttl("publisher:scan-run:run-1") <= 3600


def test_a_run_cannot_be_followed_without_redis(install: Install) -> None:
    """An ad-hoc scan says that Redis is away."""
    context = install(REDIS_URL="redis://127.0.0.1:1/0")

    with pytest.raises(RedisUnavailable):
        send_scan("email", "run-1")
    with pytest.raises(RedisUnavailable):
        scan_runs.state(context.redis, "run-1")


def test_routes_that_are_due_later_are_left(
    context: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """A scan publishes what is due, and the next one what has become due (R4)."""
    ids = due_routes(database, 2)
    change(database, ids[:1], "next_attempt_at = now() + interval '1 hour'")
    start_worker()
    send_scan("email")
    wait_for_quiet(redis_client, "email")
    assert [one_route(database, id_)["status"] for id_ in ids] == ["pending", "published"]
    make_due(database)

    send_scan("email")
    wait_for_quiet(redis_client, "email")

    assert statuses(database) == {"published"}
