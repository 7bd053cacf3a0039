"""Redis is never made to search through its keys, however many witnesses it holds."""

import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from publisher.streams.servers.connection import open_redis
from tests.acceptance.outside import EMAIL, Outside
from tests.conftest import connected
from tests.factories import intent_fields
from tests.processes import Process, Processes
from tests.valkeys import OwnValkey
from tests.waiting import wait_until

HEARTBEATS = "dramatiq:__heartbeats__"
FILL = """
for number = ARGV[1], ARGV[2] do
    redis.call('SET', '{mail:delivery_commands}:witness:' .. number, '1795543223749-0')
end
"""
# Dramatiq takes a worker for dead after fifteen seconds.
DEAD = 45.0


@pytest.fixture
def beside(environ: dict[str, str], tmp_path: Path) -> Iterator[redis.Redis]:
    """A Redis of this test's own, for the processes of this test."""
    server = OwnValkey(tmp_path / "valkey")
    environ["REDIS_URL"] = server.url
    with open_redis(server.url, timeout=timedelta(seconds=30), client_name="test") as client:
        yield client
    server.stop()


def fill(client: redis.Redis, keys: int) -> None:
    """Makes so many keys like witnesses."""
    step = 50_000
    for first in range(0, keys, step):
        client.eval(FILL, 0, first, first + step - 1)


def stops_and_kills(processes: Processes, environ: dict[str, str], client: redis.Redis) -> None:
    """Starts and ends workers in every way, sends intents meanwhile, and returns once the ended ones are forgotten."""
    # What a killed worker had leased is waited for.
    environ["PUBLISHER_ROUTE_LEASE_TTL"] = "6"
    with (
        connected(environ["DATABASE_URL"]) as connection,
        redis.Redis.from_url(environ["REDIS_URL"], decode_responses=True) as outer,
    ):
        outside = Outside(connection, outer)
        processes.start("intake")
        ended: list[Process] = []
        for number in (signal.SIGTERM, signal.SIGKILL):
            worker = processes.start("worker")
            worker.wait_for_output("ready for action")
            outside.send(*(intent_fields() for _ in range(20)))
            worker.signal(number, group=True)
            worker.wait()
            ended.append(worker)
        silent = set(client.zrange(HEARTBEATS, 0, -1))
        processes.start("worker")
        outside.wait_for_routes(published=80)
        assert outside.redis.xlen(EMAIL) == 40
        wait_until(
            lambda: len(silent & set(client.zrange(HEARTBEATS, 0, -1))) <= 1,  # intake, which lives
            within=DEAD,
            describe=lambda: client.zrange(HEARTBEATS, 0, -1, withscores=True),
        )


def commands(client: redis.Redis) -> dict[str, Any]:
    """What the server counted of each command."""
    stats: dict[str, Any] = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): counts for name, counts in stats.items()}


@pytest.mark.long
def test_no_worker_that_ends_makes_redis_search_its_keys(
    processes: Processes, environ: dict[str, str], beside: redis.Redis
) -> None:
    """Workers are stopped and killed beside many witnesses: what they left is done, and KEYS and SCAN are not run."""
    fill(beside, 50_000)
    beside.config_resetstat()

    stops_and_kills(processes, environ, beside)

    assert not commands(beside).keys() & {"keys", "scan"}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_no_call_of_ours_holds_redis_up_beside_a_million_keys(
    processes: Processes, environ: dict[str, str], beside: redis.Redis
) -> None:
    """Beside a million witnesses no call takes Redis 50 ms, through stops and kills of workers."""
    fill(beside, 1_000_000)
    beside.config_set("slowlog-log-slower-than", 50_000)
    beside.slowlog_reset()
    beside.config_resetstat()

    stops_and_kills(processes, environ, beside)

    assert not commands(beside).keys() & {"keys", "scan"}
    assert [entry["command"][:80] for entry in beside.slowlog_get()] == []
