"""A PgBouncer between the service and PostgreSQL, where one is installed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from psycopg2.extensions import parse_dsn

from tests.processes import free_port
from tests.waiting import wait_until

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@contextmanager
def pooler(folder: Path, database_url: str, connections: int) -> Iterator[str]:
    """Runs one in transaction mode, as it is installed but for that, with at most so many connections to the server.

    Yields the database's URL by way of it.
    """
    server = parse_dsn(database_url)
    host, name, user, port = server.get("host", "localhost"), server["dbname"], server["user"], free_port()
    (folder / "users").write_text(f'"{user}" "{server.get("password", "")}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{name} = host={host} port={server.get('port', 5432)}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n"
        f"auth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = {connections}\n"
    )
    url = f"postgresql://{user}@127.0.0.1:{port}/{name}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(_command(folder, host), stdout=log, stderr=log)
        try:
            wait_until(lambda: _answers(url), describe=(folder / "log").read_text)
            yield url
        finally:
            process.terminate()
            process.wait()


def _command(folder: Path, host: str) -> list[str]:
    assert PGBOUNCER
    if os.geteuid() != 0:
        return [PGBOUNCER, str(folder / "pgbouncer.ini")]
    # It refuses to run as root. Whoever it runs as must get at its files, and at the server's socket.
    for path in (folder, folder.parent, folder.parent.parent):
        path.chmod(0o711)
    for path in folder.iterdir():
        path.chmod(0o644)
    user = Path(host).owner() if host.startswith("/") else "nobody"
    return [PGBOUNCER, "-u", user, str(folder / "pgbouncer.ini")]


def _answers(url: str) -> bool:
    try:
        psycopg2.connect(url, connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True
