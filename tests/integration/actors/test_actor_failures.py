"""Attempts that fail, and errors that are none: what becomes of their message."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
import redis

from actors.context import Context
from actors.routes import follow_up, send_publish
from publisher.channels.email import EMAIL
from publisher.domain.errors import DatabaseUnavailable
from publisher.publishing.report import Report
from storage.database import Database
from tests.integration.dramatiq_messages import dead, delayed, held, wait_for_quiet
from tests.integration.rows import all_routes, change, due_routes, one_route, rows
from tests.waiting import wait_until

Install = Callable[..., Context]
StartWorker = Callable[[], dramatiq.Worker]


def break_stream(client: redis.Redis) -> None:
    """Makes every append to the email stream fail."""
    client.set(EMAIL.stream, "not a stream")


def wait_for_status(database: Database, id_: int, status: str) -> dict[str, Any]:
    return wait_until(
        lambda: next((r for r in [one_route(database, id_)] if r["status"] == status), None),
        describe=lambda: one_route(database, id_),
    )


def test_a_failed_attempt_comes_back_when_it_is_due(
    install: Install, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """After a failure the message itself waits until the domain's next_attempt_at, and no longer."""
    install(PUBLISHER_ROUTE_BACKOFF_MIN="60")
    [id_] = due_routes(database, 1)
    break_stream(redis_client)
    start_worker()

    send_publish("email", [id_])
    route = wait_for_status(database, id_, "failed")
    [message] = wait_until(lambda: delayed(redis_client, "email"))

    assert message["args"] == ["email", [id_]]
    due = route["next_attempt_at"].timestamp() * 1000
    assert due <= message["options"]["eta"] < due + 5_000


def test_a_failed_attempt_is_repeated_by_message(
    install: Install, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """Without any scan, a route that failed is published by its message at the next attempt."""
    install(PUBLISHER_ROUTE_BACKOFF_MIN="0.3")
    [id_] = due_routes(database, 1)
    break_stream(redis_client)
    start_worker()

    send_publish("email", [id_])
    wait_for_status(database, id_, "failed")
    redis_client.delete(EMAIL.stream)

    assert wait_for_status(database, id_, "published")["attempt_count"] >= 1
    wait_for_quiet(redis_client, "email")
    assert dead(redis_client, "email") == []


@pytest.mark.parametrize(("horizon", "kept"), [("60", 1), ("59.999", 0), ("0", 0)])
def test_a_retry_beyond_the_horizon_is_left_to_the_scan(
    horizon: str,
    kept: int,
    install: Install,
    start_worker: StartWorker,
    database: Database,
    redis_client: redis.Redis,
) -> None:
    """A message waits for a retry within the horizon; one for a later retry ends, and the scan finds the route."""
    install(PUBLISHER_ROUTE_BACKOFF_MIN="60", PUBLISHER_RETRY_HORIZON=horizon)
    [id_] = due_routes(database, 1)
    break_stream(redis_client)
    start_worker()

    send_publish("email", [id_])
    wait_for_status(database, id_, "failed")

    wait_until(lambda: len(held(redis_client, "email")) == kept == len(delayed(redis_client, "email")))
    assert dead(redis_client, "email") == []


def test_a_dead_letter_is_one_for_dramatiq_too(
    install: Install, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """When the last attempt fails its message is in Dramatiq's dead-letter queue, and was not retried."""
    install(PUBLISHER_EMAIL_MAX_ATTEMPTS="1")
    [id_] = due_routes(database, 1)
    change(database, [id_], "max_attempts = 1")
    break_stream(redis_client)
    start_worker()

    send_publish("email", [id_])
    wait_for_quiet(redis_client, "email")

    assert one_route(database, id_)["status"] == "dead_letter"
    assert len(rows(database, "SELECT * FROM dead_letters")) == 1
    [message] = dead(redis_client, "email")
    assert message["args"] == ["email", [id_]]
    assert "retries" not in message["options"]


def test_routes_of_one_message_end_each_in_their_own_way(
    context: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """One message's routes may be published, dead-lettered and retried side by side (R11)."""
    good, last, twice = due_routes(database, 3)
    change(database, [last, twice], "resolved_email = 'no address'")
    change(database, [last], "max_attempts = 1")
    change(database, [twice], "max_attempts = 2")
    start_worker()

    send_publish("email", [good, last, twice])
    wait_until(lambda: len(dead(redis_client, "email")) == 2, describe=lambda: all_routes(database))

    assert [r["status"] for r in all_routes(database)] == ["published", "dead_letter", "dead_letter"]
    assert one_route(database, twice)["attempt_count"] == 2
    assert sorted(len(m["args"][1]) for m in dead(redis_client, "email")) == [1, 3]
    wait_for_quiet(redis_client, "email")


def test_routes_due_at_different_times_are_retried_each_at_its_own(
    install: Install, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """Routes of one message whose retries differ wait in messages of their own."""
    install(PUBLISHER_ROUTE_BACKOFF_MIN="30")
    ids = due_routes(database, 3)
    change(database, ids[1:], "attempt_count = 1, status = 'failed'")
    break_stream(redis_client)
    start_worker()

    send_publish("email", ids)
    messages = wait_until(lambda: len(found := delayed(redis_client, "email")) == 2 and found)

    soon, late = sorted(messages, key=lambda m: m["options"]["eta"])
    assert (soon["args"][1], late["args"][1]) == (ids, ids[1:])
    assert late["options"]["eta"] - soon["options"]["eta"] == pytest.approx(30_000, abs=5_000)


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), DatabaseUnavailable("PostgreSQL is not available: connection refused")]
)
def test_an_unexpected_error_is_retried_and_counts_no_attempt(
    error: Exception,
    context: Context,
    start_worker: StartWorker,
    database: Database,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error that is no outcome of an attempt is retried by Dramatiq, and no attempt is counted."""
    [id_] = due_routes(database, 1)
    whole = context.publisher.publish_these
    errors = [error]

    def fails_once(*arguments: Any) -> Any:
        if errors:
            raise errors.pop()
        return whole(*arguments)

    monkeypatch.setattr(context.publisher, "publish_these", fails_once)
    start_worker()

    send_publish("email", [id_])

    assert wait_for_status(database, id_, "published")["attempt_count"] == 0
    wait_for_quiet(redis_client, "email")
    assert dead(redis_client, "email") == []


def test_with_redis_away_one_message_is_tried_and_not_one_for_each_route(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With jitter each of a batch's retries has a delay of its own: the first that cannot be sent is the last, or a
    worker would wait for each in turn, for minutes (R14)."""
    install()
    tried: list[str] = []

    def refuse(queue: str, *_: object) -> None:
        tried.append(queue)
        raise redis.TimeoutError("no reply")

    monkeypatch.setattr(dramatiq.get_broker(), "do_enqueue", refuse, raising=False)

    follow_up("email", Report(rescheduled=[(n, timedelta(milliseconds=1000 + n)) for n in range(500)]))

    assert tried == ["email.DQ"]
