"""The Procfile as it stands, under the process managers that people run it with, on a database that is empty."""

import os
import re
import shutil
import signal
from collections import Counter

import pytest

from tests.acceptance.local_run import Descendants
from tests.acceptance.outside import EMAIL, PUSH, Outside
from tests.factories import intent_fields
from tests.guide_blocks import GUIDES
from tests.processes import ROOT, Process, Processes, complete

# Everything starts within this on a busy machine, and stops within R17's 25 seconds and what the manager itself needs.
START, STOP = 60.0, 40.0
# Set where nothing may be missing.
REQUIRED = "TESTS_NEED_PROCESS_MANAGERS"


def command_of(manager: str) -> str:
    """How the guide starts the manager, in the folder of the Procfile."""
    (command,) = re.findall(rf"^\| {manager} \| `([^`]+)` \|", (GUIDES / "deploying.md").read_text(), re.MULTILINE)
    if shutil.which(command.split()[0], path=complete({})["PATH"]) is None and REQUIRED not in os.environ:
        pytest.skip(f"{manager} is not installed")
    return f"env --chdir={ROOT} {command}"


def wait_until_up(running: Process) -> None:
    """Returns once the release stays, and every other process is at work."""
    running.wait_for_output("the release is done and stays", within=START)
    running.wait_for_output("scheduler started", within=START)
    running.wait_for_output("Worker process is ready for action", within=START, times=2)
    running.wait_for_output("PUBLISHER_SMTP_URL is not set", within=START)
    running.wait_for_output("the page is served", within=START)


@pytest.mark.parametrize(
    ("manager", "number", "exit_code"),
    [
        pytest.param("honcho", signal.SIGTERM, 143, id="honcho-SIGTERM", marks=pytest.mark.long),
        pytest.param("honcho", signal.SIGINT, 130, id="honcho-Ctrl-C"),
        pytest.param("foreman", signal.SIGTERM, 0, id="foreman-SIGTERM"),
        pytest.param("foreman", signal.SIGINT, 0, id="foreman-Ctrl-C", marks=pytest.mark.long),
    ],
)
def test_the_procfile_runs_under_a_manager_that_starts_every_line(
    processes: Processes,
    empty: Outside,
    family: Descendants,
    manager: str,
    number: signal.Signals,
    exit_code: int,
) -> None:
    """The release stays, every intent becomes its commands once, and a stop leaves no process and loses nothing (R17).

    SIGTERM comes to the manager alone, Ctrl-C to all of its group.
    """
    command = command_of(manager)
    empty.send(*(intent_fields() for _ in range(20)))
    running = processes.start(command)
    wait_until_up(running)
    empty.wait_for_routes(published=40)
    assert running.returncode is None, running.output

    empty.send(*(intent_fields() for _ in range(500)))
    running.signal(number, group=number is signal.SIGINT)

    assert running.wait(STOP) == exit_code, running.output[-3000:]
    family.wait_until_gone()
    assert "Traceback" not in running.output
    again = processes.start(command)
    wait_until_up(again)
    empty.wait_for_routes(published=1040, within=60)
    for stream in (EMAIL, PUSH):
        assert Counter(empty.deliveries(stream).values()) == {1: 520}


def test_a_release_that_fails_ends_a_manager_with_its_exit_code(
    processes: Processes, empty: Outside, family: Descendants
) -> None:
    """Nothing runs on without a schema, and the line that says why is there."""
    running = processes.start(command_of("honcho"), DATABASE_URL="postgresql://127.0.0.1:1/none")

    assert running.wait(STOP) == 1
    assert "publisher: PostgreSQL is not available" in running.output
    family.wait_until_gone()
