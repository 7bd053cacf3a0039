"""`publisher up` in any folder, and however it ends."""

import re
import shlex
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import Process, Processes, marked
from tests.waiting import wait_until

PATIENCE = 40.0


@pytest.fixture
def mark(environ: dict[str, str], tmp_path: Path) -> str:
    """An environment without servers, inherited by every process that comes of it, by which they are known."""
    mark = uuid.uuid4().hex
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environ |= {"MARK": mark, "TMPDIR": str(temporary)}
    del environ["DATABASE_URL"], environ["REDIS_URL"]
    return mark


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path leaves room for a name within what a socket's address may take."""
    with tempfile.TemporaryDirectory(prefix="up-") as folder:
        yield Path(folder)


def up(processes: Processes, folder: Path) -> Process:
    """It runs on this folder."""
    return processes.start(f"publisher up --data {shlex.quote(str(folder))}")


def ended(mark: str) -> None:
    """Returns once nothing is left of it."""
    wait_until(lambda: not marked(mark), within=PATIENCE, describe=lambda: marked(mark))


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
def test_up_runs_in_a_folder_of_any_name(name: str, mark: str, processes: Processes, short_path: Path) -> None:
    """A space, a quotation mark, a long path: everything starts, and stops with exit code 0."""
    running = up(processes, short_path / name)
    running.wait_for_output("scheduler started", within=PATIENCE)

    running.signal(signal.SIGTERM)

    assert running.wait(PATIENCE) == 0, running.output[-3000:]
    ended(mark)


@pytest.mark.parametrize("group", [False, True], ids=["alone", "with its group"])
def test_nothing_outlives_an_up_that_is_killed(group: bool, mark: str, processes: Processes, tmp_path: Path) -> None:
    """After `kill -9` every process stops by itself, and the next one goes on with the folder's data."""
    killed = up(processes, tmp_path / "data")
    killed.wait_for_output("scheduler started", within=PATIENCE)

    killed.signal(signal.SIGKILL, group=group)
    again = up(processes, tmp_path / "data")

    again.wait_for_output("scheduler started", within=PATIENCE)
    again.signal(signal.SIGTERM)
    assert again.wait(PATIENCE) == 0, again.output[-3000:]
    ended(mark)


def test_a_second_up_on_the_same_folder_says_who_has_it(mark: str, processes: Processes, tmp_path: Path) -> None:
    """It ends with one line and exit code 1, and the first is not disturbed."""
    first = up(processes, tmp_path / "data")
    first.wait_for_output("scheduler started", within=PATIENCE)

    second = up(processes, tmp_path / "data")

    assert second.wait() == 1
    assert re.fullmatch(rf"publisher: .*data: it is in use by pid {first.pid}\n", second.output)
    assert first.returncode is None
    first.signal(signal.SIGTERM)
    assert first.wait(PATIENCE) == 0


def test_a_killed_demo_leaves_nothing_running(mark: str, processes: Processes) -> None:
    """After `kill -9` in its midst every process of a demo stops by itself."""
    demo = processes.start("publisher demo --intents 100000")
    wait_until(lambda: any("publisher intake" in line for line in marked(mark)), describe=lambda: demo.output)

    demo.signal(signal.SIGKILL)

    ended(mark)
