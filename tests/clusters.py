"""A Redis Cluster of a test's own: shards with replicas, whose slots may move and whose nodes may die."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis
from redis.crc import key_slot

from tests.valkeys import join, node_of_cluster, port_of
from tests.waiting import wait_until


class RunningCluster:
    """A cluster of the test's own. url: of all its nodes, as a setting names them."""

    def __init__(self, primaries: list[redis.Redis], replicas: list[redis.Redis]) -> None:
        """replicas: each of the primary in its place; none: the shards have no replicas."""
        self.nodes = [*primaries, *replicas]
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{port_of(node)}" for node in self.nodes)

    def owner(self, key: str) -> redis.Redis:
        """The node that has the slot of this key now, as a node says that lives."""
        slot = key_slot(key.encode())
        for node in self.living():
            for first, last, (_, port, *_), *_ in node.execute_command("CLUSTER SLOTS"):
                if first <= slot <= last:
                    return next(node for node in self.nodes if port_of(node) == port)
        raise AssertionError(f"no node has slot {slot}")

    def move(self, key: str) -> None:
        """Moves the slot of this key to another primary, as a resharding does, with all that stands there."""
        self.begin_move(key)
        self.end_move(key)

    def begin_move(self, key: str) -> None:
        """Begins to move the slot of this key: its keys move one by one from now on."""
        source, target, slot = self.owner(key), self._other(key), key_slot(key.encode())
        target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", _id(source))
        source.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", _id(target))

    def end_move(self, key: str) -> None:
        """Moves all keys of the slot, and then the slot."""
        source, target, slot = self.owner(key), self._other(key), key_slot(key.encode())
        while keys := source.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
            source.execute_command("MIGRATE", "127.0.0.1", port_of(target), "", 0, 5000, "KEYS", *keys)
        for node in (target, source):
            node.execute_command("CLUSTER SETSLOT", slot, "NODE", _id(target))
        wait_until(lambda: self.owner(key) is target)

    def migrate(self, key: str) -> None:
        """Moves the slot of this key to another primary in one step, as Valkey 9 can."""
        source, target, slot = self.owner(key), self._other(key), key_slot(key.encode())
        source.execute_command("CLUSTER MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", _id(target))
        wait_until(lambda: self.owner(key) is target)

    def kill(self, node: redis.Redis) -> None:
        """Kills the node, as kill -9 does."""
        os.kill(node.info("server")["process_id"], signal.SIGKILL)

    def living(self) -> Iterator[redis.Redis]:
        """The nodes that answer."""
        for node in self.nodes:
            try:
                node.ping()
            except redis.ConnectionError:
                continue
            yield node

    def _other(self, key: str) -> redis.Redis:
        owner = self.owner(key)
        return next(n for n in self.living() if n is not owner and n.info("replication")["role"] == "master")


@contextmanager
def running_cluster(folder: Path, *, shards: int = 3, replicated: bool = False) -> Iterator[RunningCluster]:
    """Runs a cluster of so many shards. replicated: each with a replica, which takes over a second after a death."""
    with ExitStack() as stack:
        nodes = [node_of_cluster(stack, folder / f"node-{number}") for number in range(shards)]
        join(nodes)
        primaries, replicas = [node for node, _ in nodes], []
        for number, primary in enumerate(primaries if replicated else ()):
            replica, bus = node_of_cluster(stack, folder / f"replica-{number}")
            primaries[0].execute_command("CLUSTER MEET", "127.0.0.1", port_of(replica), bus)
            wait_until(lambda node=replica, of=primary: _id(of) in str(node.execute_command("CLUSTER NODES")))  # type: ignore[misc]
            replica.execute_command("CLUSTER REPLICATE", _id(primary))
            replicas.append(replica)
        for replica in replicas:
            wait_until(lambda node=replica: node.info("replication").get("master_link_status") == "up")  # type: ignore[misc]
        for node in (*primaries, *replicas):
            wait_until(lambda node=node: len(node.execute_command("CLUSTER SLOTS")) >= shards)  # type: ignore[misc]
        yield RunningCluster(primaries, replicas)


def _id(node: redis.Redis) -> str:
    return str(node.execute_command("CLUSTER MYID"))
