"""How the ends of attempts map onto Dramatiq: publishing by message."""

from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import redis

from actors.context import Context
from actors.routes import as_hint, publish_routes, send_publish, send_scan
from publisher.channels.email import EMAIL
from publisher.channels.push import PUSH
from publisher.domain.errors import RedisUnavailable
from storage.database import Database
from tests.integration.dramatiq_messages import dead, held, wait_for_quiet
from tests.integration.rows import FINAL, all_routes, bury_something, change, due_routes, one_route
from tests.waiting import wait_until

Install = Callable[..., Context]
StartWorker = Callable[[], dramatiq.Worker]


def wait_for_status(database: Database, id_: int, status: str) -> dict[str, Any]:
    return wait_until(
        lambda: next((r for r in [one_route(database, id_)] if r["status"] == status), None),
        describe=lambda: one_route(database, id_),
    )


def test_routes_are_published_by_message(
    context: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """A message publishes the routes that it names, and is done."""
    ids = due_routes(database, 3)
    other = due_routes(database, 1)
    start_worker()

    send_publish("email", ids)
    wait_for_quiet(redis_client, "email")

    assert [one_route(database, id_)["status"] for id_ in (*ids, *other)] == ["published"] * 3 + ["pending"]
    assert redis_client.xlen(EMAIL.stream) == 3


@pytest.mark.parametrize(
    "state",
    [
        "lease_token = 'another', lease_expires_at = now() + interval '1 minute'",
        "next_attempt_at = now() + interval '1 minute'",
        FINAL["published"],
        FINAL["dead_letter"],
        FINAL["skipped"],
    ],
    ids=["leased elsewhere", "not due", "published", "dead letter", "skipped"],
)
def test_nothing_to_do_ends_quietly(
    state: str, context: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """A route that is leased elsewhere, not due or final is left alone, and its message is done (R4, R5)."""
    bury_something(database)
    ids = due_routes(database, 1)
    change(database, ids, state)
    before = all_routes(database)
    start_worker()

    send_publish("email", ids)
    wait_for_quiet(redis_client, "email")

    assert all_routes(database) == before
    assert redis_client.xlen(EMAIL.stream) == 0
    assert dead(redis_client, "email") == []


@pytest.mark.parametrize("ids", [[], [999_999_999], [-1]])
def test_unknown_ids_end_quietly(
    ids: list[int], context: Context, start_worker: StartWorker, redis_client: redis.Redis
) -> None:
    """Ids of no route, or none at all, end quietly."""
    start_worker()

    send_publish("email", ids)
    wait_for_quiet(redis_client, "email")

    assert dead(redis_client, "email") == []


def test_routes_kept_apart_from_a_suspect_follow_by_a_scan(
    context: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """Where one route of a message may kill its worker it is tried alone, and a scan sees to the others (R5a)."""
    suspect, neighbour = due_routes(database, 2)
    change(
        database,
        [suspect],
        "lease_token = 'dead', lease_expires_at = now() - interval '1 second', lease_loss_count = 2",
    )
    start_worker()

    send_publish("email", [suspect, neighbour])

    wait_for_status(database, suspect, "published")
    wait_for_status(database, neighbour, "published")


def test_a_stopping_worker_gives_its_routes_back(
    context: Context, database: Database, redis_client: redis.Redis
) -> None:
    """Routes leased when the process is told to stop are free at once, unattempted, and a scan is asked for (R5)."""
    ids = due_routes(database, 2)
    context.stopping.set()

    publish_routes("email", ids)

    assert [(r["status"], r["attempt_count"], r["lease_token"]) for r in all_routes(database)] == [
        ("pending", 0, None)
    ] * 2
    assert [m["actor_name"] for m in held(redis_client, "email")] == ["scan_due_routes"]


@pytest.mark.parametrize(("send", "arguments"), [(send_publish, ("email", [1])), (send_scan, ("email",))])
def test_a_hint_that_cannot_be_sent_stops_nobody(
    send: Callable[..., None], arguments: tuple[Any, ...], install: Install
) -> None:
    """While Redis is away a hint is not sent, and that is no error: the next scan does without it (R14)."""
    install(REDIS_URL="redis://127.0.0.1:1/0")

    as_hint(send, *arguments)

    with pytest.raises(RedisUnavailable):
        send(*arguments)


def test_each_channel_has_a_queue_of_its_own(context: Context, database: Database, redis_client: redis.Redis) -> None:
    """A worker that serves one channel's queue alone leaves the other channels' messages to others (R16)."""
    [email], [push] = due_routes(database, 1, "email"), due_routes(database, 1, "push")
    send_publish("email", [email])
    send_publish("push", [push])
    send_scan("email")
    worker = dramatiq.Worker(dramatiq.get_broker(), queues={"push"}, worker_threads=1)
    worker.start()

    wait_for_status(database, push, "published")
    worker.stop()

    assert one_route(database, email)["status"] == "pending"
    assert redis_client.xlen(PUSH.stream) == 1
    assert sorted(m["actor_name"] for m in held(redis_client, "email")) == ["publish_routes", "scan_due_routes"]
