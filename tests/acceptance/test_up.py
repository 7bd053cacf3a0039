"""`publisher up` in any folder, and however it ends."""

import re
import shlex
import signal
from pathlib import Path

import pytest

from tests.acceptance.local_run import PATIENCE, Descendants, wait_until_serving
from tests.processes import Process, Processes


def start_up(processes: Processes, folder: Path) -> Process:
    """Starts `publisher up` with its data in this folder."""
    return processes.start(f"publisher up --data {shlex.quote(str(folder))}")


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        'quote\'s "dir" $HOME %s, and a comma',
        "ünïcôdé",
        "/".join(["a-project-folder"] * 7),
    ],
    ids=["space", "quotes", "letters", "long"],
)
def test_up_runs_in_a_folder_of_any_name(
    name: str, descendants: Descendants, processes: Processes, server_folder: Path
) -> None:
    """A space, a quotation mark, a long path: everything starts, and stops with exit code 0."""
    running = start_up(processes, server_folder / name)
    wait_until_serving(running)

    running.signal(signal.SIGTERM)

    assert running.wait(PATIENCE) == 0, running.output[-3000:]
    descendants.wait_until_gone()


@pytest.mark.parametrize("group", [False, True], ids=["alone", "with its group"])
def test_nothing_outlives_an_up_that_is_killed(
    group: bool, descendants: Descendants, processes: Processes, server_folder: Path
) -> None:
    """After `kill -9` every process stops by itself, and the next one goes on with the folder's data."""
    killed = start_up(processes, server_folder / "data")
    wait_until_serving(killed)

    killed.signal(signal.SIGKILL, group=group)
    again = start_up(processes, server_folder / "data")

    wait_until_serving(again)
    again.signal(signal.SIGTERM)
    assert again.wait(PATIENCE) == 0, again.output[-3000:]
    descendants.wait_until_gone()


def test_a_second_up_on_the_same_folder_says_who_has_it(
    descendants: Descendants, processes: Processes, server_folder: Path
) -> None:
    """It ends with one line and exit code 1, and the first is not disturbed."""
    first = start_up(processes, server_folder / "data")
    wait_until_serving(first)

    second = start_up(processes, server_folder / "data")

    assert second.wait() == 1
    assert re.fullmatch(rf"publisher: .*data: it is in use by pid {first.pid}\n", second.output)
    assert first.returncode is None
    first.signal(signal.SIGTERM)
    assert first.wait(PATIENCE) == 0


def test_a_killed_demo_leaves_nothing_running(descendants: Descendants, processes: Processes) -> None:
    """After `kill -9` in its midst every process of a demo stops by itself."""
    demo = processes.start("publisher demo --intents 100000")
    descendants.wait_for("publisher intake", of=demo)

    demo.signal(signal.SIGKILL)

    descendants.wait_until_gone()
