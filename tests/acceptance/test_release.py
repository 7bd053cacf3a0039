"""`publisher migrate` as the release of a deployment: under a platform, and under managers without a release phase."""

import signal
from pathlib import Path

import pytest

from tests.acceptance.outside import Outside
from tests.processes import Processes

STAYS = "the release is done and stays"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PS", "release.1"),
        ("PS", "release"),
        ("HONCHO_PROCESS_NAME", "release.1"),
        ("FOREMAN_WORKER_NAME", "release.1"),
    ],
    ids=["foreman", "overmind", "honcho", "node-foreman"],
)
def test_a_release_stays_where_its_end_would_end_the_others(
    processes: Processes, empty: Outside, variable: str, value: str, number: signal.Signals
) -> None:
    """It migrates, says that it stays, and a signal to stop ends it with exit code 0 (R17)."""
    release = processes.start("publisher migrate", **{variable: value})
    release.wait_for_output(STAYS)
    assert "applied 0001_initial" in release.output

    release.signal(number, group=True)

    assert release.wait() == 0, release.output


@pytest.mark.parametrize("manager", ["hivemind", "forego"])
def test_a_release_knows_a_manager_that_does_not_name_its_processes(
    processes: Processes, empty: Outside, tmp_path: Path, manager: str
) -> None:
    """Those tell a process its port alone: the release knows them by their program's name."""
    program = tmp_path / manager
    # A script's process bears the script's name. Two commands: a shell with one would become it.
    program.write_text("#!/bin/sh\nPORT=5000 sh -c 'publisher migrate; exit $?'\nexit $?\n")
    program.chmod(0o755)

    release = processes.start(str(program))

    release.wait_for_output(STAYS)
    assert f'"manager":"{manager}"' in release.output


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"DYNO": "release.1234", "PORT": "5000"},
        {"HONCHO_PROCESS_NAME": "worker.1"},
        {"PS": "released"},
    ],
    ids=["terminal", "platform", "another line", "another name"],
)
def test_everywhere_else_a_release_ends(processes: Processes, empty: Outside, variables: dict[str, str]) -> None:
    """A release phase waits for its end."""
    release = processes.run("publisher migrate", **variables)

    assert (release.returncode, release.output.split()[0]) == (0, "applied")


def test_whether_it_stays_can_be_said(processes: Processes, empty: Outside) -> None:
    """Under a manager that does not name its processes, or on a platform that sets a manager's variable by accident."""
    assert processes.run("publisher migrate --no-stay", PS="release.1").returncode == 0

    told = processes.start("publisher migrate --stay")
    told.wait_for_output(STAYS)
    told.signal(signal.SIGTERM)

    assert told.wait() == 0


def test_a_release_that_fails_ends_with_its_exit_code(processes: Processes, empty: Outside) -> None:
    """A manager then stops everything, and shows the one line that says why."""
    release = processes.run("publisher migrate", DATABASE_URL="postgresql://127.0.0.1:1/none", PS="release.1")

    assert release.returncode == 1
    assert release.output.startswith("publisher: PostgreSQL is not available")
