"""A worker process that is told to stop finishes what it has, however often it is told (R17)."""

import signal
import threading
from pathlib import Path

import dramatiq
import pytest
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker

from actors.middleware.graceful_stop import GracefulStop
from tests.processes import Process, Processes
from tests.waiting import wait_until

MODULE = """
import os, threading, time
from pathlib import Path
import dramatiq, redis
from actors.broker import WakingBroker
from actors.middleware.graceful_stop import GracefulStop

folder = Path(__file__).parent
stopping = threading.Event()
client = redis.Redis.from_url(os.environ["REDIS_URL"])
broker = WakingBroker(client=client, middleware=[GracefulStop(stopping)])
dramatiq.set_broker(broker)

@dramatiq.actor
def work():
    # Lives on, and shows it, until the test lets it finish.
    while not (folder / "finish").exists():
        client.incr("beats")
        time.sleep(0.01)
    (folder / "finished").write_text(str(stopping.is_set()))
"""


def wait_for_beats(client: redis.Redis, process: Process) -> None:
    """Returns once the work has gone on for a while."""
    before = int(client.get("beats") or 0)
    wait_until(lambda: int(client.get("beats") or 0) > before + 10, describe=lambda: process.output)


@pytest.mark.stray_keys("its actor counts its beats in Redis")
def test_repeated_signals_do_not_cut_the_work_short(
    processes: Processes, tmp_path: Path, redis_client: redis.Redis
) -> None:
    """A worker whose whole group is signalled, twice, finishes its message and exits 0."""
    (tmp_path / "slow_work.py").write_text(MODULE)
    process = processes.start(f"dramatiq slow_work --path {tmp_path} --processes 1 --threads 1")
    broker = RedisBroker(client=redis_client, middleware=[])
    broker.enqueue(dramatiq.Message("default", "work", (), {}, {}))

    for _ in range(3):
        wait_for_beats(redis_client, process)
        process.signal(signal.SIGTERM, group=True)
    wait_for_beats(redis_client, process)
    (tmp_path / "finish").touch()

    assert process.wait() == 0
    assert (tmp_path / "finished").read_text() == "True"


def test_a_worker_that_stops_begins_nothing_new() -> None:
    """Also when a worker is stopped without a signal, the process knows that it is stopping (R5)."""
    stopping = threading.Event()
    worker = dramatiq.Worker(StubBroker(middleware=[GracefulStop(stopping)]), worker_threads=1, worker_timeout=20)
    worker.start()
    assert not stopping.is_set()

    worker.stop()

    assert stopping.is_set()
