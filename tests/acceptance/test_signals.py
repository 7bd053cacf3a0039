"""Stopping: at once, without a loss, whatever is under way and however the signal comes (R17)."""

import signal
from collections import Counter

import pytest

from publisher.local.procfile import procfile
from storage.database import Database
from tests.acceptance.counters import metrics_port, served_port
from tests.acceptance.outside import EMAIL, PUSH, Outside, users
from tests.factories import INTENTS, accepted, intent_fields
from tests.processes import Processes, listens
from tests.waiting import wait_until

PATIENCE = 25.0
# So that thousands of routes keep a worker busy for seconds: small batches, and a record that takes its time.
SLOW = """
CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.05); RETURN NULL; END $$;
CREATE TRIGGER slow BEFORE UPDATE OF published_at ON routes FOR EACH STATEMENT EXECUTE FUNCTION take_time()
"""


@pytest.mark.parametrize(
    ("signals", "group"),
    [([signal.SIGTERM], False), ([signal.SIGTERM] * 2, True)],
    ids=["once", "twice to the group"],
)
def test_a_worker_under_load_stops_in_time_and_leaves_the_rest_to_the_next(
    processes: Processes,
    environ: dict[str, str],
    database: Database,
    outside: Outside,
    signals: list[signal.Signals],
    group: bool,
) -> None:
    """What it had begun is published, what it had leased is free, nothing is counted; another finishes (R5, R17)."""
    environ["PUBLISHER_BATCH_SIZE"] = "10"
    outside.rows(SLOW)
    accepted(database, [{"recipients_json": users(1000)}] * 2)
    worker = processes.start(procfile()["worker"])
    processes.start("clock")
    worker.wait_for_output("ready for action", times=2)
    wait_until(lambda: outside.redis.xlen(EMAIL) and outside.redis.xlen(PUSH), describe=lambda: worker.output[-3000:])

    for number in signals:
        worker.signal(number, group=group)
        worker.wait_for_output("Stopping worker process", times=2)
    exit_code = worker.wait(PATIENCE)

    assert exit_code == 0, worker.output[-3000:]
    assert worker.members() == []
    left = outside.rows("SELECT DISTINCT lease_token, attempt_count, lease_loss_count FROM routes")
    assert left == [{"lease_token": None, "attempt_count": 0, "lease_loss_count": 0}]
    statuses = outside.statuses()
    assert statuses["published"] == outside.redis.xlen(EMAIL) + outside.redis.xlen(PUSH)
    assert statuses["pending"] > 0

    outside.rows("DROP TRIGGER slow ON routes")
    processes.start("worker", PUBLISHER_BATCH_SIZE="500")
    outside.wait_for_routes(published=4000)
    for stream in (EMAIL, PUSH):
        assert Counter(outside.deliveries(stream).values()) == {1: 2000}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_idle_processes_stop_at_once_however_often_they_are_told(
    processes: Processes, outside: Outside, number: signal.Signals
) -> None:
    """Every process with nothing to do ends by itself with exit code 0 (R17)."""
    running = [processes.start(name) for name in ("worker", "clock", "intake", "web")]
    outside.send(intent_fields())
    outside.wait_for_routes(published=2)
    running[1].wait_for_output("scheduler started")
    running[3].wait_for_output("the page is served")

    for process in running * 2:
        process.signal(number, group=True)

    for process in running:
        assert process.wait(PATIENCE) == 0, process.output[-3000:]
        assert process.members() == []
    assert outside.redis.xinfo_groups(INTENTS)[0]["consumers"] == 0


def test_a_worker_that_is_still_booting_stops_as_well(processes: Processes) -> None:
    """A deploy that is taken back at once leaves no process behind (R17)."""
    worker = processes.start(procfile()["worker"])
    wait_until(lambda: len(worker.members()) == 3)

    worker.signal(signal.SIGTERM, group=True)

    # Not ours yet: in the first milliseconds after a fork Dramatiq's own handler fails, so that the exit code is 1,
    # and its master may then wait for that worker for as long as --worker-fork-timeout says.
    worker.wait(PATIENCE + 10)
    assert worker.members() == []


def test_a_process_that_still_imports_stops_at_once(processes: Processes) -> None:
    """It has begun nothing, and ends with exit code 0 as it does later (R17)."""
    starting = [processes.start(name, PYTHONPROFILEIMPORTTIME="1") for name in ("clock", "intake", "mailer", "web")]
    for process in starting:
        process.wait_for_output("publisher.domain.errors")
        process.signal(signal.SIGTERM)

    for process in starting:
        assert process.wait(PATIENCE) == 0, process.output[-3000:]
        assert "publisher.process.heartbeat" not in process.output


def test_intake_under_load_stops_in_time_and_the_next_takes_over(
    processes: Processes, environ: dict[str, str], outside: Outside
) -> None:
    """Of thousands of intents each is accepted once, by the one that was stopped or by its successor (R15, R17)."""
    environ["PUBLISHER_BATCH_SIZE"] = "5"
    outside.send(*(intent_fields(recipients_json=users(10)) for _ in range(3000)))
    intake = processes.start("intake")
    wait_until(outside.statuses)

    intake.signal(signal.SIGTERM)
    exit_code = intake.wait(PATIENCE)

    assert exit_code == 0, intake.output[-3000:]
    before = outside.row("SELECT count(*) FROM notifications")["count"]
    assert 0 < before < 3000
    processes.start("intake", PUBLISHER_BATCH_SIZE="500")
    outside.wait_for_routes(pending=60_000)
    outside.wait_until_acknowledged()
    assert outside.row("SELECT count(*) FROM malformed_intents") == {"count": 0}


def test_the_workers_of_a_killed_master_end_by_themselves(
    processes: Processes, environ: dict[str, str], outside: Outside
) -> None:
    """No orphan runs on where no one would ever stop or restart it, nor keeps the port of its metrics (R15)."""
    environ["PUBLISHER_METRICS_PORT"] = metrics_port()
    worker = processes.start(procfile()["worker"])
    port = served_port(worker)

    worker.signal(signal.SIGKILL)

    wait_until(lambda: not worker.members(), within=PATIENCE, describe=worker.members)
    wait_until(lambda: not listens(port))


def test_workers_whose_master_is_killed_while_they_boot_end_too(processes: Processes, outside: Outside) -> None:
    """It makes no difference how early the master dies (R15)."""
    worker = processes.start(procfile()["worker"])
    wait_until(lambda: len(worker.members()) == 3)

    worker.signal(signal.SIGKILL)

    wait_until(lambda: not worker.members(), within=PATIENCE, describe=lambda: worker.output[-3000:])
