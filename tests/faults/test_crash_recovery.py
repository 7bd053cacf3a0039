"""PostgreSQL begins anew from its WAL under the same start: intake notices, as it does after a restart (R18, R20)."""

import os
import signal
from contextlib import closing
from pathlib import Path

from storage.accepting.marks import begin_mark, read_mark
from storage.database import Database
from tests.factories import INTENTS
from tests.faults.servers import PostgreSQL
from tests.waiting import wait_until

_START = "SELECT pg_postmaster_start_time()"
_WRITER = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'background writer'"


def test_a_mark_from_before_a_crash_recovery_is_not_believed(server_folder: Path) -> None:
    """One process of the server is killed. What synchronous_commit = off had acknowledged and not written is gone."""
    server_folder.chmod(0o755)
    with (
        closing(PostgreSQL(server_folder / "postgresql")) as server,
        closing(Database(server.url, application_name="test")) as database,
    ):
        begin_mark(database, INTENTS, "1-0")
        assert read_mark(database, INTENTS).is_ours
        started = server.rows(_START)
        [(writer,)] = server.rows(_WRITER)

        os.kill(writer, signal.SIGKILL)

        wait_until(lambda: server.rows(_WRITER) not in ([], [(writer,)]))
        assert server.rows(_START) == started
        database.close()
        mark = read_mark(database, INTENTS)
        assert (mark.entry_id, mark.is_ours) == ("1-0", False)
