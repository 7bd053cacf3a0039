"""Urgent routes overtake the messages of others, and bulk routes are found by scans (R31)."""

import time
from collections.abc import Callable
from queue import PriorityQueue
from typing import Any

import dramatiq
import redis
from dramatiq.worker import _WorkQueueItem

from actors import routes
from actors.context import Context
from actors.middleware.urgent_first import UrgentFirst
from actors.queues import URGENT
from publisher.channels.email import EMAIL
from storage.database import Database
from storage.holds import HoldCriteria, add_hold, remove_hold
from tests.factories import accepted
from tests.integration.dramatiq_messages import held, wait_for_quiet
from tests.integration.rows import all_routes, due_routes
from tests.waiting import wait_until

StartWorker = Callable[..., dramatiq.Worker]


def news(database: Database, **fields: Any) -> list[tuple[str, str, list[int]]]:
    """What intake tells of such an intent on email."""
    by_lane = accepted(database, [{**fields, "channels_json": ["email"]}]).by_lane
    return [(channel, lane, list(ids)) for (channel, lane), ids in by_lane.items()]


def test_the_message_of_urgent_routes_goes_first(
    context: Context, database: Database, redis_client: redis.Redis
) -> None:
    """Before all messages that wait on the channel's queue; those of other lanes behind them."""
    normal, urgent = news(database), news(database, lane="urgent")

    routes.tell_workers([*normal, *normal, *urgent])

    messages = {m["options"]["redis_message_id"]: m for m in held(redis_client, "email")}
    order = [messages[id_.decode()] for id_ in redis_client.lrange("dramatiq:email", 0, -1)]
    assert [(m["actor_name"], m["args"][1], URGENT in m["options"]) for m in order] == [
        ("publish_routes", urgent[0][2], True),
        ("publish_routes", normal[0][2], False),
        ("publish_routes", normal[0][2], False),
    ]


def test_bulk_routes_get_one_scan(context: Context, database: Database, redis_client: redis.Redis) -> None:
    """However many there are: their batches leave room for what is urgent."""
    bulk = news(database, lane="bulk")

    routes.tell_workers([*bulk, *bulk])

    assert [m["actor_name"] for m in held(redis_client, "email")] == ["scan_due_routes"]


def test_a_worker_publishes_all_lanes(
    context: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """From the message, or by the scans that follow each other."""
    told = [each for lane in ("bulk", "normal", "urgent") for each in news(database, lane=lane)]
    start_worker()

    routes.tell_workers(told)

    wait_until(lambda: redis_client.xlen(EMAIL.stream) == 3)
    wait_for_quiet(redis_client, "email")
    assert {row["status"] for row in all_routes(database)} == {"published"}


def test_a_worker_takes_urgent_messages_before_others_that_it_has_fetched(context: Context) -> None:
    """Its queue in memory is one of priorities; messages of one kind stay in their order."""
    worker = dramatiq.Worker(dramatiq.get_broker())
    UrgentFirst().before_worker_boot(dramatiq.get_broker(), worker)

    for name, options in [("1", {}), ("2", {}), ("a", {URGENT: True}), ("3", {}), ("b", {URGENT: True})]:
        message = dramatiq.Message(queue_name="email", actor_name=name, args=(), kwargs={}, options=options)
        worker.work_queue.put(_WorkQueueItem(0, dramatiq.MessageProxy(message), time.monotonic_ns()))

    assert isinstance(worker.work_queue, PriorityQueue)
    assert [worker.work_queue.get().message.actor_name for _ in range(5)] == ["a", "b", "1", "2", "3"]


def test_a_removed_hold_lets_a_running_worker_go_on(
    context: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """A worker obeys a hold that was added while it ran, and publishes once it is removed and a scan comes (R29)."""
    start_worker()
    hold = add_hold(database, HoldCriteria(producer="game-service"), "why", "ann")
    due_routes(database, 3)
    routes.send_scan("email")
    wait_for_quiet(redis_client, "email")
    assert not redis_client.exists(EMAIL.stream)

    remove_hold(database, hold.id)
    routes.send_scan("email")

    wait_until(lambda: redis_client.exists(EMAIL.stream) and redis_client.xlen(EMAIL.stream) == 3)
