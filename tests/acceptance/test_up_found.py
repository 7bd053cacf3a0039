"""Commands find the servers of a `publisher up` that runs in their folder, and say so."""

import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.acceptance.local_run import PATIENCE, Descendants, wait_until_serving
from tests.processes import Processes, complete

SAYS = "publisher: using the servers of .publisher/env"


def run_in(folder: Path, *arguments: str, environ: Mapping[str, str | None]) -> subprocess.CompletedProcess[str]:
    """Runs a command line to its end in this folder."""
    return subprocess.run(
        arguments, env=complete(environ), cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.long
def test_a_command_in_the_folder_finds_the_servers_while_up_runs(
    descendants: Descendants, environ: dict[str, str], processes: Processes, server_folder: Path
) -> None:
    """It says so in one line. After `up` has ended, or was killed, the error says that it is not running there."""
    up = processes.start(f"publisher up --data {server_folder / '.publisher'}")
    wait_until_serving(up)

    found = run_in(server_folder, "publisher", "channels", "list", environ=environ)
    assert (found.returncode, found.stderr) == (0, f"{SAYS}\n")
    preview = run_in(server_folder, "publisher", "mailer", "preview", "demo.turn.ready", environ=environ)
    assert (preview.returncode, preview.stderr) == (0, f"{SAYS}\n")
    assert "Chess Club <club@example.com>" in preview.stdout
    check = run_in(
        server_folder, "publisher", "mailer", "check", environ=environ | {"PUBLISHER_MAIL_FROM": "a@localhost"}
    )
    assert (check.returncode, check.stderr) == (0, f"{SAYS}\n"), check.stdout
    assert "connected to smtp://127.0.0.1:" in check.stdout
    assert "the connection has no TLS, and does not leave this machine" in check.stdout
    assert "4 rendered" in check.stdout
    assert "0 deferred, 0 held" in check.stdout
    elsewhere = run_in(Path("/"), "publisher", "status", environ=environ)
    assert "DATABASE_URL is not set" in elsewhere.stderr
    assert elsewhere.stderr.endswith(". `publisher up` in this folder starts both servers\n")

    second = run_in(server_folder, "publisher", "up", environ=environ)
    assert second.stdout + second.stderr == (
        f"publisher: `publisher up` already runs in this folder (pid {up.pid}): other commands here find its servers;"
        " --data FOLDER starts a second one\n"
    )

    up.signal(signal.SIGKILL)
    up.wait(PATIENCE)
    without = run_in(server_folder, "publisher", "mailer", "preview", "demo.turn.ready", environ=environ)
    assert "say where the templates are" in without.stderr
    killed = run_in(server_folder, "publisher", "status", environ=environ)
    assert killed.returncode == 2
    assert re.fullmatch(r"publisher: [^\n]*`publisher up` is not running in this folder[^\n]*\n", killed.stderr)
    descendants.wait_until_gone()


def test_variables_that_are_set_count_alone(environ: dict[str, str], tmp_path: Path) -> None:
    """With one variable or both, the file is not even read."""
    (tmp_path / ".publisher" / "env").mkdir(parents=True)

    both = run_in(tmp_path, "publisher", "migrate", environ=environ)
    one = run_in(tmp_path, "publisher", "status", environ=environ | {"REDIS_URL": " "})

    assert (both.returncode, both.stderr) == (0, "")
    assert (one.returncode, "REDIS_URL is not set" in one.stderr) == (2, True)


@pytest.mark.parametrize("command", ["publisher status", "publisher intake", "dramatiq publisher.actors -p 1"])
def test_a_file_that_others_may_write_is_refused(command: str, environ: dict[str, str], tmp_path: Path) -> None:
    """Exit code 2 or the worker's own, and one line that says why: from a command, from intake and from a worker."""
    (tmp_path / ".publisher").mkdir()
    (tmp_path / ".publisher" / "env").touch()
    (tmp_path / ".publisher" / "env").chmod(0o666)

    done = run_in(tmp_path, *command.split(), environ=environ | {"DATABASE_URL": None, "REDIS_URL": None})

    assert done.returncode != 0
    assert "publisher: .publisher/env is not used: other users may write it." in done.stderr
    assert "Traceback" not in done.stderr
