"""A PostgreSQL with a synchronous standby, each on a TCP port of its own: the two hosts that a DATABASE_URL names."""

from contextlib import closing, suppress
from pathlib import Path
from shutil import chown
from subprocess import CalledProcessError

import psutil
import psycopg2

from tests.conftest import run_sql, with_database
from tests.faults.servers import CANARY_IN_URLS, DATABASE, PostgreSQL
from tests.processes import free_port
from tests.waiting import wait_until

_HBA = """
local all         all              trust
local replication all              trust
host  replication all 127.0.0.1/32 trust
host  all         all 127.0.0.1/32 scram-sha-256
"""
_SOCKETS = "unix_socket_directories"
_SYNCHRONOUS = "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')"


class Standby:
    """Streams from the primary, which answers no commit before this standby has it. Nothing stands in between.

    database_url: names both, and the file that holds the password for each.
    """

    def __init__(self, primary: PostgreSQL, folder: Path) -> None:
        self._primary = primary
        self._folder, self._sockets = folder / "data", folder
        self.ports = free_port(), free_port()
        self._frozen: list[psutil.Process] = []
        folder.mkdir()
        folder.chmod(0o755)
        if primary.system_user is not None:
            chown(folder, primary.system_user)
        self._listen()
        copied_from = f"host=127.0.0.1 port={self.ports[0]} user=postgres"
        primary.command(
            *("pg_basebackup", "-D", str(self._folder), "-d", copied_from, "-X", "stream", "-c", "fast", "-R")
        )
        self._pg_ctl(self._folder, "-w", "-o", self._options(1, self._sockets), "-l", str(folder / "log"), "start")
        self.address = f"{self._sockets}/.s.PGSQL.{self.ports[1]}"
        self.url = with_database(f"postgresql://postgres@/?host={self._sockets}&port={self.ports[1]}", DATABASE)
        # Not before the copy was made: once promoted, it waits for nobody.
        run_sql(primary.url, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        wait_until(lambda: primary.rows(_SYNCHRONOUS) == [(True,)])
        passwords = folder.parent / "passwords"
        passwords.write_text("".join(f"127.0.0.1:{port}:*:postgres:{CANARY_IN_URLS}\n" for port in self.ports))
        passwords.chmod(0o600)
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        self.database_url = (
            f"postgresql://postgres@{hosts}/{DATABASE}?target_session_attrs=read-write&passfile={passwords}"
        )

    def freeze_primary(self) -> None:
        """Stops every process of the primary where it stands. Its connections stay open, and new ones hear nothing."""
        [(data,)] = self._primary.rows("SHOW data_directory")
        first = psutil.Process(int((Path(data) / "postmaster.pid").read_text().split()[0]))
        self._frozen = [first, *first.children()]
        for process in self._frozen:
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def promote(self) -> None:
        """Makes it a primary, on a new timeline. Returns once it takes writes."""
        self._pg_ctl(self._folder, "-w", "promote")
        wait_until(lambda: self.value("SELECT NOT pg_is_in_recovery()"))

    def value(self, sql: str) -> object:
        """The one value of a query."""
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()[0][0]

    def close(self) -> None:
        """Stops it, and ends what is frozen."""
        for process in self._frozen:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        with suppress(CalledProcessError):
            self._pg_ctl(self._folder, "-m", "immediate", "stop")

    def _listen(self) -> None:
        """Restarts the primary with its TCP port, on which it asks for the password."""
        primary = self._primary
        run_sql(primary.url, f"ALTER ROLE postgres PASSWORD '{CANARY_IN_URLS}'")
        data, sockets = (Path(primary.rows(f"SHOW {name}")[0][0]) for name in ("data_directory", _SOCKETS))
        (data / "pg_hba.conf").write_text(_HBA)
        log = str(sockets / "log-with-port")
        self._pg_ctl(data, "-w", "-m", "fast", "-o", self._options(0, sockets), "-l", log, "restart")
        url = with_database(f"postgresql://postgres@/?host={sockets}&port={self.ports[0]}", DATABASE)
        primary.fail_over(f"{sockets}/.s.PGSQL.{self.ports[0]}", url)

    def _options(self, which: int, sockets: Path) -> str:
        return f"-h 127.0.0.1 -p {self.ports[which]} -k {sockets}"

    def _pg_ctl(self, data: Path, *arguments: str) -> None:
        self._primary.command("pg_ctl", "-D", str(data), *arguments)
