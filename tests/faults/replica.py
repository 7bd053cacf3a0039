"""A streaming replica of the suite's PostgreSQL, which can lag and be promoted."""

import shutil
from contextlib import closing, suppress
from pathlib import Path
from subprocess import CalledProcessError

import psycopg2

from tests.conftest import with_database
from tests.faults.proxy import Proxy
from tests.faults.servers import DATABASE, PostgreSQL
from tests.waiting import wait_until


class Replica:
    """Streams from the primary over a line of its own. `address`: its Unix socket, for a proxy to lead to."""

    def __init__(self, primary: PostgreSQL, folder: Path) -> None:
        self._primary = primary
        self._folder, self._sockets = folder / "data", folder
        folder.mkdir()
        folder.chmod(0o755)
        if primary.system_user is not None:
            shutil.chown(folder, primary.system_user)
        self._line = Proxy(primary.address)
        copied_from = f"host=127.0.0.1 port={self._line.port} user=postgres"
        primary.command(
            *("pg_basebackup", "-D", str(self._folder), "-d", copied_from, "-X", "stream", "-c", "fast", "-R")
        )
        self._pg_ctl("-w", "-o", f'-h "" -k {self._sockets}', "-l", str(folder / "log"), "start")
        self.address = f"{self._sockets}/.s.PGSQL.5432"
        self.url = with_database(f"postgresql://postgres@/?host={self._sockets}", DATABASE)

    def wait_until_level(self) -> None:
        """Returns once it has replayed what the primary has written by now."""
        [(written,)] = self._primary.rows("SELECT pg_current_wal_lsn()")
        wait_until(lambda: self.value("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written))

    def cut_off(self) -> None:
        """From now on nothing of the primary's arrives: it lags."""
        self._line.stall()

    def promote(self) -> None:
        """Makes it a primary, on a new timeline, with what it has. Returns once it takes writes."""
        self._line.refuse()
        self._pg_ctl("-w", "promote")
        wait_until(lambda: not self.value("SELECT pg_is_in_recovery()"))

    def value(self, sql: str, *parameters: object) -> object:
        """The one value of a query."""
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall()[0][0]

    def close(self) -> None:
        """Stops it."""
        self._line.close()
        with suppress(CalledProcessError):
            self._pg_ctl("-m", "immediate", "stop")

    def _pg_ctl(self, *arguments: str) -> None:
        self._primary.command("pg_ctl", "-D", str(self._folder), *arguments)
