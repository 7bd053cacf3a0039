"""Real processes told to stop at a bad time, or with a clock that is an hour off (R5, R15, R17)."""

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.database import Database
from tests.acceptance.outside import EMAIL, Outside, users
from tests.factories import accepted, intent_fields
from tests.faults.in_process import intents, problems, seen_outside
from tests.faults.planted_code import SHIFTED_CLOCK, plant_code
from tests.faults.proxied_url import proxied
from tests.processes import Process, Processes
from tests.waiting import wait_until

PATIENCE = 25.0
HOUR = 3600


@pytest.fixture
def outside(environ: dict[str, str]) -> Iterator[Outside]:
    with seen_outside(environ) as outside:
        yield outside


def test_intake_and_clock_under_load_stop_though_they_are_told_twice(
    environ: dict[str, str], outside: Outside, processes: Processes
) -> None:
    """With thousands of intents to take and a hundred ticks a second, both end at once with exit code 0 (R17)."""
    environ |= {"PUBLISHER_BATCH_SIZE": "5", "PUBLISHER_SCAN_INTERVAL": "0.01"}
    outside.send(*(intent_fields(recipients_json=users(10)) for _ in range(2000)))
    running = [processes.start("intake"), processes.start("clock")]
    # One that still boots has no handler yet, and a signal ends it as it ends any process.
    running[1].wait_for_output("scheduler started")
    wait_until(lambda: outside.statuses() and outside.redis.llen("dramatiq:push") > 100)

    for process in running * 2:
        process.signal(signal.SIGTERM, group=True)

    assert [process.wait(PATIENCE) for process in running] == [0, 0], [p.output[-2000:] for p in running]
    assert sum(outside.statuses().values()) < 40_000
    assert outside.row("SELECT count(*) % 20 AS part FROM routes") == {"part": 0}


@pytest.mark.long
@pytest.mark.parametrize("silent", ["DATABASE_URL", "REDIS_URL"])
def test_processes_whose_server_is_silent_stop_in_time(
    silent: str, environ: dict[str, str], outside: Outside, database: Database, processes: Processes
) -> None:
    """In the middle of their work, and nothing answers any more: each ends within 25 s, exit code 0 (R17)."""
    environ |= {"PUBLISHER_BATCH_SIZE": "10"}
    accepted(database, [{"recipients_json": users(1000)}] * 4)
    outside.send(*(intent_fields(recipients_json=users(100)) for _ in range(1000)))
    with proxied(environ[silent]) as (proxy, url):
        environ[silent] = url
        running = [processes.start(name) for name in ("worker", "intake", "clock")]
        for process in running:
            process.wait_until_ready()
        wait_until(lambda: outside.statuses().get("published", 0) > 100 and outside.statuses()["pending"] > 8000)

        proxy.stall()
        for process in running * 2:
            process.signal(signal.SIGTERM, group=True)
        codes = [process.wait(PATIENCE) for process in running]

    assert codes == [0, 0, 0], [p.output[-2000:] for p in running]
    assert [process.members() for process in running] == [[], [], []]


@pytest.mark.parametrize("shift", [HOUR, -HOUR], ids=["ahead", "behind"])
@pytest.mark.parametrize(
    ("off", "right"),
    [
        (["worker"], ["clock", "intake"]),
        pytest.param(["worker"], ["worker", "clock", "intake"], marks=pytest.mark.long),
        pytest.param(["clock"], ["worker", "intake"], marks=pytest.mark.long),
        pytest.param(["intake"], ["worker", "clock"], marks=pytest.mark.long),
        pytest.param(["worker", "clock", "intake"], [], marks=pytest.mark.long),
    ],
    ids=["the worker", "one worker of two", "the clock", "intake", "all"],
)
def test_a_wall_clock_that_is_an_hour_off_delays_nothing(
    off: list[str],
    right: list[str],
    shift: int,
    environ: dict[str, str],
    outside: Outside,
    processes: Processes,
    tmp_path: Path,
) -> None:
    """Leases and due times are the database's: new routes and retries go out once, and not an hour late (R5, R15)."""
    # On a busy machine the first attempts fail many times before all processes are up.
    environ["PUBLISHER_ROUTE_BACKOFF_MAX"] = "1"
    plant_code(environ, tmp_path, SHIFTED_CLOCK)
    first, second = intents(2)
    outside.redis.set(EMAIL, "no stream")
    shifted = [processes.start(name, SHIFT=str(shift)) for name in off]
    for name in right:
        processes.start(name)
    outside.send(first)
    wait_until(lambda: outside.statuses() == {"failed": 1, "published": 1}, describe=outside.statuses)

    outside.redis.delete(EMAIL)
    outside.send(second)
    outside.wait_for_routes(published=4, within=10)
    outside.wait_until_acknowledged()

    for process in shifted:
        assert shift - 60 < clock_of(process) < shift + 60
    assert problems(environ, first, second) == []


def clock_of(process: Process) -> float:
    """By how many seconds the clock in its log differs from ours."""
    [*_, last] = [line for line in process.output.splitlines() if line.startswith("{")]
    return (datetime.fromisoformat(json.loads(last)["at"]) - datetime.now(UTC)).total_seconds()
