"""Queue names tell the truth: each channel has one queue, and no other exists (R16)."""

from collections.abc import Callable

import dramatiq
import pytest
import redis

from actors.context import Context
from actors.queues import EACH_CHANNEL
from actors.routes import send_publish, send_scan
from publisher.channels.email import EMAIL
from publisher.channels.push import PUSH
from publisher.domain.channel import CHANNEL_NAME
from storage.database import Database
from tests.integration.dramatiq_messages import held, wait_for_quiet
from tests.integration.rows import due_routes

StartWorker = Callable[..., dramatiq.Worker]
# Messages of every release name these: a release may add some, and must go on understanding each.
ACTORS = {
    *("scan_due_routes", "publish_routes", "publish_within_limit", "audit_published"),
    *("prune_notifications", "prune_records", "trim_intents", "trim_commands"),
}


def test_the_channels_queues_are_all_there_are(context: Context, start_worker: StartWorker) -> None:
    """Actors that serve every channel are on no channel's queue, and a worker consumes the channels' alone (R16)."""
    broker = dramatiq.get_broker()

    worker = start_worker()

    assert {actor.queue_name for actor in broker.actors.values()} == {EACH_CHANNEL}
    assert broker.get_declared_queues() == set(context.channels)
    assert {name.removesuffix(".DQ") for name in worker.consumers} == set(context.channels)
    assert CHANNEL_NAME.fullmatch(EACH_CHANNEL) is None


def test_messages_stand_on_their_channels_queue(context: Context, redis_client: redis.Redis) -> None:
    """Messages look as in the release before, whose workers run beside these during a deploy: queue and actor (R16)."""
    send_scan("push")
    send_publish("push", [1, 2])

    assert {(m["queue_name"], m["actor_name"]) for m in held(redis_client, "push")} == {
        ("push", "scan_due_routes"),
        ("push", "publish_routes"),
    }
    assert not redis_client.exists(f"dramatiq:{EACH_CHANNEL}")
    assert set(dramatiq.get_broker().actors) == ACTORS


@pytest.mark.parametrize(("channel", "stream"), [("email", EMAIL.stream), ("push", PUSH.stream)])
def test_messages_of_the_release_before_are_understood(
    channel: str,
    stream: str,
    context: Context,
    start_worker: StartWorker,
    database: Database,
    redis_client: redis.Redis,
) -> None:
    """A message that a process of the release before enqueued is on its channel's queue, and is run (R16)."""
    due_routes(database, 2, channel)
    message = dramatiq.Message(queue_name=channel, actor_name="scan_due_routes", args=(channel,), kwargs={}, options={})

    dramatiq.get_broker().enqueue(message)
    start_worker()
    wait_for_quiet(redis_client, channel)

    assert redis_client.xlen(stream) == 2
