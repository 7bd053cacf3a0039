"""`publisher up` in any folder, and however it ends."""

import os
import re
import shlex
import signal
from pathlib import Path

import pytest

from tests.acceptance.local_run import PATIENCE, Descendants, served_by, wait_until_serving
from tests.acceptance.outside import EMAIL, Outside
from tests.factories import intent_fields
from tests.processes import Process, Processes, free_port
from tests.waiting import wait_until


def start_up(processes: Processes, folder: Path) -> Process:
    """Starts `publisher up` with its data in this folder."""
    return processes.start(f"publisher up --data {shlex.quote(str(folder))}")


@pytest.mark.parametrize(
    "name",
    [
        'ünïcôdé quote\'s "dir" $HOME %s, and a comma',
        pytest.param("/".join(["a-project-folder"] * 7), marks=pytest.mark.long),
    ],
    ids=["signs", "long"],
)
def test_up_runs_in_a_folder_of_any_name(
    name: str, descendants: Descendants, processes: Processes, server_folder: Path
) -> None:
    """A space, a quotation mark, letters beyond ASCII, a long path: everything starts, and stops with exit code 0."""
    running = start_up(processes, server_folder / name)
    wait_until_serving(running)

    running.signal(signal.SIGTERM)

    assert running.wait(PATIENCE) == 0, running.output[-3000:]
    descendants.wait_until_gone()


@pytest.mark.parametrize("group", [pytest.param(False, marks=pytest.mark.long), True], ids=["alone", "with its group"])
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
    """It says that alone, ends with exit code 1, and the first is not disturbed."""
    first = start_up(processes, server_folder / "data")
    wait_until_serving(first)

    second = start_up(processes, server_folder / "data")

    assert second.wait() == 1
    assert second.output == (
        f"publisher: `publisher up` already runs with its data in {server_folder}/data (pid {first.pid}): another"
        " --data FOLDER starts a second one\n"
    )
    assert first.returncode is None
    first.signal(signal.SIGTERM)
    assert first.wait(PATIENCE) == 0


def test_up_serves_until_it_is_told_to_stop_and_goes_on_where_it_ended(
    descendants: Descendants, processes: Processes, server_folder: Path
) -> None:
    """SIGTERM and Ctrl-C end it with exit code 0 and without a process left; its folder keeps data and port."""
    up = start_up(processes, server_folder / "data")
    with served_by(up) as outside:
        outside.send(*(intent_fields() for _ in range(10)))
        wait_until(lambda: _published(outside) == 20, describe=lambda: up.output[-3000:])
    port = re.search(r"redis://127\.0\.0\.1:(\d+)/0", up.output)
    up.signal(signal.SIGTERM)
    assert up.wait(PATIENCE) == 0, up.output[-3000:]
    descendants.wait_until_gone()

    again = start_up(processes, server_folder / "data")
    with served_by(again) as outside:
        outside.send(intent_fields())
        wait_until(lambda: _published(outside) == 22, describe=lambda: again.output[-3000:])
        assert len(outside.commands(EMAIL)) == 11
    assert port is not None
    assert port[0] in again.output
    again.signal(signal.SIGINT, group=True)
    assert again.wait(PATIENCE) == 0, again.output[-3000:]
    descendants.wait_until_gone()


def test_up_says_where_the_smtp_server_that_was_named_takes_no_mail(
    descendants: Descendants, processes: Processes, server_folder: Path
) -> None:
    """Before the first email is sent: in one line, which names the variable. The templates come with the service."""
    url = f"smtp://127.0.0.1:{free_port()}"
    up = processes.start(
        f"env PUBLISHER_SMTP_URL={url} PUBLISHER_MAIL_FROM=a@example.com publisher up --data {server_folder}/data"
    )

    up.wait_for_output(
        f"no mail can be sent now, and emails wait until it can: connection refused ({url}): see that the SMTP server"
        " runs there, or correct PUBLISHER_SMTP_URL\n",
        within=PATIENCE,
    )
    assert "export PUBLISHER_MAIL_TEMPLATES=" in up.output
    up.signal(signal.SIGTERM)
    assert up.wait(PATIENCE) == 0, up.output[-3000:]
    descendants.wait_until_gone()


def _published(outside: Outside) -> int:
    return outside.row("SELECT count(*) FROM routes WHERE status = 'published'")["count"]


@pytest.mark.parametrize(
    "moment",
    [
        # How one ends whose processes run is seen below: with a second Ctrl-C, too.
        "starting PostgreSQL",
        *(pytest.param(m, marks=pytest.mark.long) for m in ("export REDIS_URL", "applied", "scheduler started")),
    ],
)
def test_ctrl_c_ends_an_up_that_still_starts(
    moment: str, descendants: Descendants, processes: Processes, server_folder: Path
) -> None:
    """Whatever it is starting: everything ends, the exit code is 0, and the next start finds its folder whole."""
    up = start_up(processes, server_folder / "data")
    up.wait_for_output(moment, within=PATIENCE)

    up.signal(signal.SIGINT, group=True)

    assert up.wait(PATIENCE) == 0, up.output[-3000:]
    assert up.output.splitlines()[-1] == "up      | stopped"
    assert "Traceback" not in up.output
    descendants.wait_until_gone()
    again = start_up(processes, server_folder / "data")
    wait_until_serving(again)


def test_a_second_ctrl_c_kills_an_up_and_loses_nothing(
    descendants: Descendants, processes: Processes, server_folder: Path
) -> None:
    """What does not stop is not waited for: exit code 130, nothing runs on, and the next start has the data."""
    up = start_up(processes, server_folder / "data")
    with served_by(up) as outside:
        outside.send(intent_fields())
        wait_until(lambda: _published(outside) == 2, describe=lambda: up.output[-3000:])
        [intake] = descendants.pids_of("publisher intake")
        os.kill(intake, signal.SIGSTOP)
    up.signal(signal.SIGINT, group=True)
    up.wait_for_output("stopping")
    assert up.returncode is None

    up.signal(signal.SIGINT, group=True)

    assert up.wait(PATIENCE) == 130, up.output[-3000:]
    descendants.wait_until_gone()
    again = start_up(processes, server_folder / "data")
    with served_by(again) as outside:
        assert _published(outside) == 2
        assert len(outside.commands(EMAIL)) == 1


def test_a_killed_demo_leaves_nothing_running(descendants: Descendants, processes: Processes) -> None:
    """After `kill -9` in its midst every process of a demo stops by itself."""
    demo = processes.start("publisher demo --intents 100000")
    descendants.wait_for("publisher intake", of=demo)

    demo.signal(signal.SIGKILL)

    descendants.wait_until_gone()
