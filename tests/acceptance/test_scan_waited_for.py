"""`scheduler scan --wait` says what was done, also if the worker that did it is stopped in its midst."""

import json
import signal

import pytest

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import EMAIL, NO_SCANS, Outside, users
from tests.acceptance.test_signals import SLOW
from tests.factories import accepted
from tests.processes import Process, Processes
from tests.waiting import wait_until

ROUTES = 600


@pytest.fixture
def worker(processes: Processes, environ: dict[str, str], database: Database, outside: Outside) -> Process:
    """A worker that needs seconds for the routes that are due, and no scans but those that are asked for."""
    environ |= NO_SCANS | {"PUBLISHER_BATCH_SIZE": "10"}
    outside.rows(SLOW)
    accepted(database, [{"recipients_json": users(ROUTES)}])
    worker = processes.start("worker")
    worker.wait_for_output("ready for action")
    return worker


def stopped_in_the_midst(worker: Process, outside: Outside) -> None:
    """Stops the worker once it has begun, and long before it is done."""
    wait_until(lambda: outside.redis.xlen(EMAIL) >= 20, describe=lambda: worker.output[-2000:])
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert outside.redis.xlen(EMAIL) < ROUTES


def test_what_a_stopping_worker_gives_back_is_waited_for(
    processes: Processes, worker: Process, outside: Outside
) -> None:
    """A scan whose worker is stopped is done once another worker has published the rest, and counts all of it."""
    scan = processes.start("publisher scheduler scan email --wait --json")
    stopped_in_the_midst(worker, outside)
    assert scan.returncode is None

    processes.start("worker")

    assert scan.wait(60) == 0, scan.output
    [said] = [json.loads(line) for line in scan.output.splitlines() if line.startswith("{")]
    assert said == {"channel": "email", "published": ROUTES, "rescheduled": 0, "dead_lettered": 0}
    assert outside.redis.xlen(EMAIL) == ROUTES


def test_what_nobody_takes_over_is_a_failure(processes: Processes, worker: Process, outside: Outside) -> None:
    """Without another worker the scan ends with exit code 1, and says how many were published until then."""
    scan = processes.start("publisher scheduler scan email --wait --timeout 8")
    stopped_in_the_midst(worker, outside)

    assert scan.wait() == 1
    assert "was not done within 8 s: are workers running" in scan.output
    assert f"Published so far: {outside.redis.xlen(EMAIL)}" in scan.output


def test_a_channel_that_is_paused_is_named(worker: Process, outside: Outside, publisher: Publisher) -> None:
    """Nothing published is no success where the channel is kept still: the scan says so."""
    assert publisher("channels", "pause", "email", "--reason", "mail server moves", "--yes").returncode == 0

    done = publisher("scheduler", "scan", "email", "--wait")

    assert done.returncode == 0
    assert "email is paused: mail server moves" in done.stderr


@pytest.mark.parametrize("timeout", ["inf", "1e300"])
def test_a_scan_may_be_waited_for_without_end(timeout: str, processes: Processes, publisher: Publisher) -> None:
    """`--timeout inf` waits until the workers are done, however long that is."""
    processes.start("worker").wait_for_output("ready for action")

    done = publisher("scheduler", "scan", "email", "--wait", "--timeout", timeout, "--json")

    assert (done.returncode, json.loads(done.stdout)["published"]) == (0, 0), done.stderr
