"""The image of the guide's Containerfile: a read-only root, no folder for temporary files, a user without a name."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from publisher.local.procfile import procfile
from tests.acceptance.containers import Image, build, can_run_containers, first_process
from tests.acceptance.outside import EMAIL, PUSH, Outside
from tests.acceptance.test_metrics_unserved import UNSERVED
from tests.acceptance.test_process_managers import REQUIRED
from tests.factories import intent_fields
from tests.guide_files import guide_files
from tests.processes import Process, Processes, awaits_sigterm, free_port
from tests.waiting import wait_until

# The image is made within the first test: pip asks the package index, on a machine that may be slow.
pytestmark = pytest.mark.timeout(600)
Run = Callable[..., Process]
# On a busy machine: imports from a cold cache.
START = 60.0


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """The image, made by every step of the guide."""
    if not can_run_containers() and REQUIRED not in os.environ:
        pytest.skip("containers need root, on Linux")
    # In memory: an overlay's upper folder may not stand below the root that it lies over.
    with tempfile.TemporaryDirectory(prefix="publisher-image-", dir="/dev/shm", ignore_cleanup_errors=True) as folder:
        yield build(guide_files("deploying")["Containerfile"], Path(folder))


@pytest.fixture
def container(image: Image, processes: Processes, environ: dict[str, str], empty: Outside) -> Run:
    """Starts a command as the first process of a container, on an empty database; keywords are variables."""

    def run(command: str, **variables: str) -> Process:
        return image.run(processes, command, {**environ, "TMPDIR": "/nowhere", **variables})

    return run


def stop(containers: Mapping[str, Process]) -> dict[str, int]:
    """Sends SIGTERM to the first process of each. Returns their exit codes, within R17's time."""
    for process in containers.values():
        os.kill(first_process(process), signal.SIGTERM)
    return {name: process.wait(25) for name, process in containers.items()}


def test_the_image_runs_the_procfile(container: Run, empty: Outside) -> None:
    """Release, workers, clock and intake do their work; they, mailer and page obey SIGTERM as first process (R17)."""
    empty.send(*(intent_fields() for _ in range(20)))
    commands = procfile()
    release = container(commands.pop("release"))
    assert release.wait(START) == 0, release.output

    running = {name: container(command) for name, command in commands.items()}
    empty.wait_for_routes(published=40, within=START)
    running["clock"].wait_for_output("scheduler started", within=START)
    running["worker"].wait_for_output("ready for action", within=START, times=2)
    running["mailer"].wait_for_output("PUBLISHER_SMTP_URL is not set", within=START)
    running["web"].wait_for_output("the page is served", within=START)

    assert stop(running) == {"worker": 0, "clock": 0, "intake": 0, "mailer": 0, "web": 0}
    for process in running.values():
        assert "Traceback" not in process.output
        assert process.members() == []
    assert set((empty.deliveries(EMAIL) + empty.deliveries(PUSH)).values()) == {1}


def test_workers_without_a_folder_for_temporary_files_count_in_shared_memory(container: Run, empty: Outside) -> None:
    """Their counters are served, and nothing fails (R25)."""
    assert container("publisher migrate").wait(START) == 0
    worker = container(procfile()["worker"], PUBLISHER_METRICS_PORT=str(free_port()))
    worker.wait_for_output("ready for action", within=START, times=2)
    worker.wait_for_output("counters are served", within=START)

    assert stop({"worker": worker}) == {"worker": 0}
    assert UNSERVED not in worker.output
    assert "Traceback" not in worker.output


def test_an_operator_without_a_name_is_recorded_by_number(container: Run, empty: Outside) -> None:
    """Nobody has to have an entry in /etc/passwd."""
    assert container("publisher migrate").wait(START) == 0

    pause = container("publisher channels pause email --reason incident --yes")

    assert pause.wait(START) == 0, pause.output
    assert empty.row('SELECT "by" FROM operator_actions') == {"by": "user 10001"}


def test_a_command_that_needs_a_folder_says_which_to_give(container: Run) -> None:
    """The editor works on a temporary file: one line, and exit code 2."""
    demo = container("publisher demo", DATABASE_URL="", REDIS_URL="")

    assert demo.wait(START) == 2
    assert demo.output == (
        "publisher: no folder for temporary files can be written: set TMPDIR to one, or mount one at /tmp\n"
    )


def test_a_command_without_handlers_of_its_own_obeys_sigterm_too(container: Run) -> None:
    """The kernel drops a signal that a first process does not handle: `podman stop` would wait in vain."""
    assert container("publisher migrate").wait(START) == 0
    waiting = container("publisher scheduler scan --wait --timeout 600")
    wait_until(lambda: awaits_sigterm(first_process(waiting)), within=START, describe=lambda: waiting.output)

    assert stop({"scan": waiting}) == {"scan": 128 + signal.SIGTERM}
