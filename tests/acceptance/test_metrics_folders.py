"""The folder in which workers share counters goes with them, however they end (R15, R25)."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.counters import counted, metrics_port, served_port
from tests.acceptance.outside import Outside
from tests.factories import intent_fields
from tests.processes import Process, Processes, listens
from tests.waiting import wait_until


@pytest.fixture
def temporary(environ: dict[str, str], tmp_path: Path) -> Path:
    """A folder for the processes' temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    environ |= {"TMPDIR": str(folder), "PUBLISHER_METRICS_PORT": metrics_port()}
    return folder


def folders(temporary: Path) -> list[str]:
    """The folders of counters that are there."""
    return [path.name for path in temporary.glob("publisher-metrics-*")]


def kill_a_worker(master: Process) -> None:
    """Kills one worker process, as the system does when memory is short."""
    children = subprocess.run(["pgrep", "-P", str(master.pid), "-g", str(master.pid)], capture_output=True, check=True)
    os.kill(int(children.stdout.split()[-1]), signal.SIGKILL)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda worker: worker.signal(signal.SIGTERM), id="SIGTERM"),
        pytest.param(lambda worker: worker.signal(signal.SIGTERM, group=True), id="SIGTERM to the group"),
        pytest.param(lambda worker: worker.signal(signal.SIGKILL), id="SIGKILL"),
        pytest.param(lambda worker: worker.signal(signal.SIGKILL, group=True), id="SIGKILL to the group"),
        pytest.param(kill_a_worker, id="SIGKILL to a child"),
    ],
)
def test_the_folder_goes_with_the_workers(
    processes: Processes, temporary: Path, end: Callable[[Process], None]
) -> None:
    """It is there while they work, and gone with the last of them; so is what listened at their port."""
    worker = processes.start("worker")
    port = served_port(worker)
    worker.wait_until_ready()
    assert folders(temporary) == [f"publisher-metrics-{worker.pid}"]

    end(worker)

    worker.wait(40)
    wait_until(lambda: not folders(temporary), within=40, describe=lambda: folders(temporary))
    wait_until(lambda: not listens(port), within=40)


def test_what_was_left_behind_goes_with_the_next_start(processes: Processes, outside: Outside, temporary: Path) -> None:
    """Of processes that were all killed in one instant nobody is left to clear up; nothing old is counted."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    (temporary / f"publisher-metrics-{ended.pid}").mkdir()

    worker = processes.start("worker")
    port = served_port(worker)

    assert folders(temporary) == [f"publisher-metrics-{worker.pid}"]
    processes.start("intake", PUBLISHER_METRICS_PORT="0")
    outside.send(intent_fields())
    outside.wait_for_routes(published=2)
    wait_until(lambda: len(counted(port, "route_publish_attempts_total")) == 2)
