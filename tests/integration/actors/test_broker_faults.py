"""A whole Dramatiq worker on the waking broker, while Redis is killed, restarted and silent (R14)."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq import worker as dramatiq_worker

from actors.broker import WakingBroker
from publisher.domain.errors import PublisherError
from publisher.streams.servers.connection import open_redis, translated
from tests.valkeys import OwnValkey
from tests.waiting import wait_until


class Bench:
    """A worker with one actor, which notes what it is sent."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.broker = WakingBroker(client=client, middleware=[])
        self.done: list[int] = []
        self.actor = dramatiq.actor(self.done.append, actor_name="note", queue_name="email", broker=self.broker)
        self.worker = dramatiq.Worker(self.broker, worker_timeout=500, worker_threads=2)

    def send(self, number: int, delay: int | None = None) -> None:
        """Sends a message, again and again while Redis is not there."""
        wait_until(lambda: self._sent(number, delay))

    def wait_for(self, *numbers: int) -> None:
        """Returns once each of these messages was worked on."""
        wait_until(lambda: set(numbers) <= set(self.done), describe=lambda: self.done)

    def _sent(self, number: int, delay: int | None) -> bool:
        try:
            with translated():
                self.actor.send_with_options(args=(number,), delay=delay)
        except PublisherError:
            return False
        return True


@pytest.fixture
def bench(own_valkey: OwnValkey, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(dramatiq_worker, "CONSUMER_RESTART_DELAY_SECS", 0.05)
    monkeypatch.setattr(dramatiq_worker, "POST_PROCESS_MESSAGE_RETRY_DELAY_SECS", 0.05)
    with open_redis(own_valkey.url, timeout=timedelta(seconds=3), client_name="bench") as client:
        bench = Bench(client)
        bench.worker.start()
        bench.send(0)
        bench.wait_for(0)
        yield bench
        bench.worker.stop()


def test_a_delayed_message_is_delivered(bench: Bench) -> None:
    """A message with a delay is worked on once its time has come."""
    bench.send(1, delay=500)
    bench.send(2)

    bench.wait_for(1, 2)

    assert bench.done == [0, 2, 1]


def test_a_worker_outlives_a_restart_of_redis(bench: Bench, own_valkey: OwnValkey) -> None:
    """After Redis was away and came back the worker goes on, without a restart of its own."""
    own_valkey.restart()

    bench.send(1)
    bench.send(2, delay=50)

    bench.wait_for(1, 2)


def test_a_message_that_waits_survives_a_restart_of_redis(bench: Bench, own_valkey: OwnValkey) -> None:
    """A message sent before Redis was restarted is worked on after it."""
    bench.worker.pause()
    bench.send(1)
    own_valkey.restart()
    bench.worker.resume()

    bench.wait_for(1)


def test_a_worker_outlives_the_loss_of_its_connections(bench: Bench, own_client: redis.Redis) -> None:
    """A worker whose connections are all killed connects again and goes on."""
    own_client.client_kill_filter(_type="normal", skipme=True)

    bench.send(1)

    bench.wait_for(1)


def test_a_worker_outlives_an_emptied_redis(bench: Bench, own_client: redis.Redis) -> None:
    """After a FLUSHALL, scripts and all, the worker goes on."""
    own_client.flushall()
    own_client.script_flush()

    bench.send(1)

    bench.wait_for(1)


@pytest.mark.parametrize(
    "fault", [redis.TimeoutError("Timeout reading from socket"), redis.ConnectionError("Connection reset by peer")]
)
def test_a_worker_outlives_a_redis_that_does_not_answer(
    fault: redis.RedisError, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often in a row Redis fails to answer, the worker goes on once it does (R14)."""
    whole = bench.client.evalsha
    failures = threading.Semaphore(0)

    def fails(*_: Any) -> None:
        failures.release()
        raise fault

    # Also while the consumer holds a delayed message, which it tries to give back.
    bench.send(1, delay=3_600_000)
    monkeypatch.setattr(bench.client, "evalsha", fails)
    for _ in range(6):
        assert failures.acquire(timeout=20)
    monkeypatch.setattr(bench.client, "evalsha", whole)

    bench.send(2)
    bench.send(3, delay=50)
    bench.wait_for(2, 3)


def test_an_acknowledgement_that_fails_is_repeated(
    bench: Bench, own_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message whose acknowledgement gets no answer is acknowledged later, and not worked on again."""
    whole = bench.client.evalsha
    failed = threading.Event()

    def loses_an_ack(*arguments: Any) -> Any:
        if "ack" in arguments and not failed.is_set():
            failed.set()
            raise redis.TimeoutError("Timeout reading from socket")
        return whole(*arguments)

    monkeypatch.setattr(bench.client, "evalsha", loses_an_ack)
    bench.send(1)

    assert failed.wait(20)
    wait_until(lambda: own_client.hlen("dramatiq:email.msgs") == 0)
    assert bench.done == [0, 1]
