"""A command that is interrupted while it waits for PostgreSQL: one line says so, and the exit code is 130."""

import signal
import socket
from pathlib import Path

import pytest

from storage.database import Database
from storage.schema import schema
from tests.acceptance.outside import Outside
from tests.integration.rows import rows
from tests.processes import Processes
from tests.terminals import Terminal
from tests.waiting import wait_until

WAITING = """
SELECT pid FROM pg_stat_activity WHERE application_name = 'publisher-migrate' AND wait_event_type = 'Lock'
"""


@pytest.mark.parametrize("command", ["status", "explain x", "trace 17-0", "doctor"])
def test_ctrl_c_is_the_last_line(processes: Processes, command: str) -> None:
    """While PostgreSQL takes the connection and says nothing, Ctrl-C ends the command."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        url = f"postgres://a@127.0.0.1:{silent.getsockname()[1]}/b?sslmode=disable"
        asking = processes.start(f"publisher {command}", DATABASE_URL=url)
        connection, _ = silent.accept()

        asking.signal(signal.SIGINT)

        assert asking.wait() == 130, asking.output
        assert asking.output.splitlines()[-1] == "publisher: interrupted"
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_migration_is_interrupted_in_the_midst_of_its_transaction(
    processes: Processes, empty: Outside, number: signal.Signals
) -> None:
    """It waits for a lock that another session holds. Nothing is changed, and the connection is not to blame."""
    empty.rows("SELECT pg_advisory_lock(%s)", schema._LOCK)
    migration = processes.start("publisher migrate")
    wait_until(lambda: empty.rows(WAITING), describe=lambda: migration.output)

    migration.signal(number)

    assert migration.wait() == 130, migration.output
    assert migration.output.splitlines()[-1] == "publisher: interrupted"
    assert empty.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


@pytest.mark.parametrize("answered", ["n", "\r"], ids=["no", "Enter"])
def test_a_no_changes_nothing_and_is_no_interruption(
    environ: dict[str, str], database: Database, tmp_path: Path, answered: str
) -> None:
    """One line says so, and the exit code is 1."""
    terminal = Terminal("publisher channels pause email --reason maintenance", environ, 100, tmp_path)
    terminal.wait_for("[y/N]")
    terminal.type(f"{answered}\r" if answered == "n" else answered)

    ended = terminal.wait()

    assert (ended.code, ended.shown[-1]) == (1, "publisher: nothing was changed")
    assert rows(database, "SELECT paused_at FROM channel_gates") == []
