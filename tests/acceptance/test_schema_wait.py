"""Processes that start before the schema is there: a manager starts them and the migration at one moment."""

import json
import signal

import pytest

from publisher.local.procfile import procfile
from tests.acceptance.outside import EMAIL, PUSH, Outside
from tests.factories import intent_fields
from tests.processes import Processes
from tests.waiting import wait_until

WAITS = "waiting for the database schema: 'publisher migrate' brings it"


def test_processes_wait_for_the_schema_and_then_do_their_work(processes: Processes, empty: Outside) -> None:
    """On an empty database each says once that it waits, fails nothing, and works once the schema is there (R19a)."""
    empty.send(*(intent_fields() for _ in range(20)))
    worker, clock, intake = (processes.start(name) for name in ("worker", "clock", "intake"))
    for process in (worker, intake):
        process.wait_for_output(WAITS)
    clock.wait_for_output("scheduler started")

    assert processes.run("publisher migrate").returncode == 0

    for process in (worker, intake):
        process.wait_for_output("the database schema is there")
    empty.wait_for_routes(published=40)
    assert set((empty.deliveries(EMAIL) + empty.deliveries(PUSH)).values()) == {1}
    assert [process.output.count(WAITS) for process in (worker, clock, intake)] == [1, 0, 1]
    for process in (worker, clock, intake):
        assert all(json.loads(line)["level"] != "error" for line in process.output.splitlines()), process.output


@pytest.mark.parametrize("name", ["worker", "intake"])
def test_a_process_that_waits_for_the_schema_stops_in_time(processes: Processes, empty: Outside, name: str) -> None:
    """SIGTERM ends it with exit code 0, however the signal comes (R17)."""
    waiting = processes.start(procfile()[name])
    waiting.wait_for_output(WAITS, times=2 if name == "worker" else 1)

    waiting.signal(signal.SIGTERM)

    assert waiting.wait(25) == 0, waiting.output
    assert waiting.members() == []
    # An intake that never read has no consumer to leave behind.
    assert "stays in its group" not in waiting.output


def test_waiting_workers_whose_master_is_killed_end_too(processes: Processes, empty: Outside) -> None:
    """No orphan waits for a schema (R15)."""
    worker = processes.start(procfile()["worker"])
    worker.wait_for_output(WAITS, times=2)

    worker.signal(signal.SIGKILL)

    wait_until(lambda: not worker.members(), within=25, describe=lambda: worker.output[-3000:])
