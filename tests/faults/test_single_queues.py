"""Whatever Dramatiq's queues do with their messages, the scan finds what is due (R14)."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import ConnectionClosed

from actors.broker import WakingBroker
from publisher.streams.servers.connection import open_redis
from tests.acceptance.outside import EMAIL, Outside
from tests.faults.in_process import RESUMED, intents, problems, running, seen_outside
from tests.faults.proxied_url import proxied
from tests.waiting import wait_until

PATIENCE = timedelta(milliseconds=300)
EMAIL_QUEUE = "dramatiq:email"


@pytest.fixture
def outside(environ: dict[str, str]) -> Iterator[Outside]:
    with seen_outside(environ) as outside:
        yield outside


@pytest.fixture
def refusing(outside: Outside) -> Iterator[Outside]:
    """While the email stream's key is none, each email attempt fails, and its message waits for the next."""
    outside.redis.set(EMAIL, "no stream")
    return outside


def test_delayed_messages_that_a_reconnect_loses_are_not_needed(refusing: Outside, environ: dict[str, str]) -> None:
    """A worker forgets the delayed messages in its memory when Redis breaks off; their routes are scanned for."""
    [sent] = intents(1)
    with running(environ, PUBLISHER_ROUTE_BACKOFF_MIN="1"):
        refusing.send(sent)
        # Held, and not in the queue any more: in the worker's memory alone.
        wait_until(
            lambda: refusing.redis.hlen(f"{EMAIL_QUEUE}.DQ.msgs") and not refusing.redis.llen(f"{EMAIL_QUEUE}.DQ")
        )

        refusing.redis.client_kill_filter(_type="normal", skipme=True)
        refusing.redis.delete(EMAIL)
        refusing.wait_for_routes(published=2, within=2 * RESUMED)

    assert problems(environ, sent) == []


def test_a_retry_that_cannot_be_enqueued_is_not_needed(
    refusing: Outside, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dramatiq drops a message whose retry it could not enqueue; its routes are scanned for."""
    [sent] = intents(1)
    with running(environ):
        lost = losing(dramatiq.get_broker(), "do_enqueue", "email.DQ", monkeypatch, arrives=False)
        refusing.send(sent)
        wait_until(lambda: lost)

        refusing.redis.delete(EMAIL)
        refusing.wait_for_routes(published=2, within=RESUMED)

    assert problems(environ, sent) == []


def test_messages_whose_fetch_is_not_answered_are_not_needed(
    outside: Outside, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages that a worker fetched and never saw stay its own while it lives; their routes are scanned for."""
    [sent] = intents(1)
    with running(environ):
        lost = losing(dramatiq.get_broker(), "do_fetch", "email", monkeypatch, arrives=True)
        outside.send(sent)
        wait_until(lambda: lost)
        outside.wait_for_routes(published=2, within=RESUMED)

    assert problems(environ, sent) == []


@pytest.mark.stray_keys("plants a key of another type")
@pytest.mark.parametrize("key", [EMAIL_QUEUE, f"{EMAIL_QUEUE}.msgs", "dramatiq:__heartbeats__"])
def test_a_queue_that_is_broken_for_good_is_not_needed(key: str, outside: Outside, environ: dict[str, str]) -> None:
    """With a queue's key of the wrong type no message comes through, and every route is published all the same."""
    [sent] = intents(1)
    outside.redis.set(key, "no queue")
    with running(environ):
        outside.send(sent)
        outside.wait_for_routes(published=2, within=RESUMED)
        outside.wait_until_acknowledged()

    assert problems(environ, sent) == []


def test_a_worker_that_stops_asks_a_silent_redis_once(redis_url: str) -> None:
    """While it works it tells Redis until that answers; told to stop, it leaves the rest to the heartbeat (R17)."""
    stopping = threading.Event()
    with proxied(redis_url) as (proxy, url), open_redis(url, timeout=PATIENCE, client_name="test") as client:
        broker = WakingBroker(client=client, middleware=[], stopping=stopping)
        broker.declare_queue("email")
        for _ in range(3):
            broker.enqueue(dramatiq.Message("email", "any", (), {}, {}))
        consumer = broker.consume("email", prefetch=3, timeout=50)
        first, second, third = (wait_until(lambda: next(consumer)) for _ in range(3))

        proxy.stall()
        with pytest.raises(ConnectionClosed):
            consumer.ack(first)
        stopping.set()
        began = time.monotonic()
        consumer.ack(first)
        consumer.nack(second)
        consumer.requeue([third])

    assert time.monotonic() - began < 2 * PATIENCE.total_seconds()


def losing(broker: Any, name: str, queue: str, monkeypatch: pytest.MonkeyPatch, *, arrives: bool) -> list[Any]:
    """Loses the first such call for the queue that has a result or does not arrive at all. Returns those lost."""
    whole, lost = getattr(broker, name), []

    def call(given: str, *arguments: Any) -> Any:
        if given != queue or lost:
            return whole(given, *arguments)
        result = whole(given, *arguments) if arrives else "nothing"
        if result:
            lost.append(result)
            raise redis.TimeoutError("no reply")
        return result

    monkeypatch.setattr(broker, name, call, raising=False)
    return lost
