"""Intake hands new routes over to the workers, by the message that it sends about them (R5, R14)."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import dramatiq
import pytest
import redis

from actors import routes
from actors.context import Context
from publisher.channels.push import PUSH
from publisher.domain.errors import RedisUnavailable
from publisher.domain.rate_limit import RateLimit
from publisher.intake import handing_over
from storage.claiming import claims
from storage.database import Database
from tests.factories import CHANNELS
from tests.integration.dramatiq_messages import held, wait_for_quiet
from tests.integration.rows import all_routes, rows
from tests.integration.stream_entries import send_intents, wait_until_read

StartIntake = Callable[..., threading.Thread]
StartWorker = Callable[..., dramatiq.Worker]
LASTS = timedelta(seconds=30)


def leases(database: Database, channel: str) -> set[str | None]:
    return {row["lease_token"] for row in all_routes(database) if row["channel"] == channel}


def test_the_message_names_the_handover(
    start_intake: StartIntake, database: Database, redis_client: redis.Redis
) -> None:
    """Intake leases new routes for as long as a handover lasts, and names the lease in each channel's message."""
    send_intents(redis_client, 3)
    start_intake(handover=LASTS)

    wait_until_read(redis_client)

    for channel in ("email", "push"):
        [message] = held(redis_client, channel)
        assert leases(database, channel) == {message["args"][2]}
    [left] = rows(database, "SELECT DISTINCT lease_expires_at - created_at AS lasts FROM routes")
    assert left["lasts"] == LASTS


def test_a_worker_publishes_what_it_is_handed(
    start_intake: StartIntake,
    start_worker: StartWorker,
    database: Database,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker that gets the message publishes its routes without claiming one."""
    monkeypatch.setattr("storage.claiming.claims._CLAIM_THESE", "no statement")
    send_intents(redis_client, 3)
    start_intake(handover=LASTS)
    wait_until_read(redis_client)

    start_worker()
    wait_for_quiet(redis_client, "push")

    assert redis_client.xlen(PUSH.stream) == 3
    published = [row["status"] for row in all_routes(database) if row["channel"] == "push"]
    assert published == ["published"] * 3


def test_under_a_long_queue_nothing_is_handed_over(
    context: Context,
    start_intake: StartIntake,
    database: Database,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While more messages wait than are soon read, the routes of that channel are free for any claim."""
    monkeypatch.setattr(handing_over, "_LONG_QUEUE", 2)
    for _ in range(3):
        routes.send_scan("email")
    send_intents(redis_client, 2)
    start_intake(handover=LASTS)

    wait_until_read(redis_client)

    assert leases(database, "email") == {None}
    assert None not in leases(database, "push")
    assert claims.claim_due(database, "email", limit=10, lease_ttl=LASTS).ids


def test_a_queue_that_was_never_written_to_is_short(context: Context) -> None:
    """A process that has put nothing into a queue yet takes it for short."""
    assert routes.waiting("email") == 0


def test_routes_that_no_worker_was_told_of_are_free(
    start_intake: StartIntake, database: Database, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a message cannot be sent, the handover of its routes ends, and of all that would follow it (R14)."""

    def refused(*_arguments: object, **_options: object) -> None:
        raise RedisUnavailable("no answer")

    monkeypatch.setattr(routes, "send_publish", refused)
    send_intents(redis_client, 3)
    start_intake(handover=LASTS)

    wait_until_read(redis_client)

    assert leases(database, "email") == leases(database, "push") == {None}


def test_a_channel_with_a_rate_limit_is_not_handed_over() -> None:
    """Its routes wait for their turn, and are claimed (R30)."""
    channels = {**CHANNELS, "email": replace(CHANNELS["email"], rate=RateLimit(14.0, 28))}

    handover = handing_over.HandingOver(channels, LASTS, lambda _channel: 0)()

    assert handover is not None
    assert handover.streams == {"push": PUSH.stream}
