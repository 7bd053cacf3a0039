"""The nodes of a Redis Cluster, each by a plain client: every key of ours has its stream's slot, a slot one node (R37).

So what works on one server works here, a pipeline and a transaction too, and nothing is repeated unseen. Which node has
a slot is asked again after every fault: a node that is away, or one that answers MOVED or ASK, as it does while a slot
moves (documentation of Redis, "Redirection and resharding"). The caller tries again, as after any outage.
"""

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from typing import Any

import redis
from redis.crc import key_slot

from publisher.domain.errors import PublisherError, RedisRefused, RedisUnavailable
from publisher.streams.servers.connection import translated
from publisher.streams.servers.connection_errors import address
from publisher.streams.servers.nodes_away import Node, NodesAway

# The first slot of a range, and the last.
Range = tuple[int, int]
OnFault = Callable[[redis.RedisError], None]
OnAnswer = Callable[[], None]
SLOTS = 16384
# So many nodes are asked for the slots at a time: one that is black-holed takes as long as a reply may.
_ASKED = 3
# So many nodes are remembered: first those with slots, then others, which may be gone for good.
_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Shard:
    """A node that has slots. name: its host and port."""

    name: str
    client: redis.Redis
    slots: Sequence[Range]

    @property
    def tag(self) -> str:
        """A text whose slot this node has."""
        return next(text for text in map(str, count()) if self._has(key_slot(text.encode())))

    def _has(self, slot: int) -> bool:
        return any(first <= slot <= last for first, last in self.slots)


class Cluster:
    """The nodes of one cluster. Safe to share between threads. It connects on first use."""

    def __init__(
        self,
        nodes: Sequence[Node],
        open_node: Callable[[Node, OnFault, OnAnswer], redis.Redis],
        variable: str,
        on_answer: OnAnswer | None = None,
    ) -> None:
        """nodes: some of the cluster, which know the others.

        open_node: opens the client of a node, which calls the others at each of its faults, and after each answer.
        variable: the setting that names the cluster.
        on_answer: called after each answer that comes while no node with slots is away; None: nobody asks.
        """
        self._named = list(nodes)
        # In the order in which they are asked; then those that the setting names.
        self._known: Sequence[Node] = ()
        self._open_node = open_node
        self._variable = variable
        self._away = NodesAway(on_answer)
        self._lock = threading.Lock()
        self._clients: dict[Node, redis.Redis] = {}
        # The first slot that a node has, the last, and the node. None: to be asked for.
        self._slots: Sequence[tuple[int, int, Node]] | None = None

    def of(self, key: str) -> redis.Redis:
        """Returns the client of the node that has the slot of this key.

        Raises RedisUnavailable if no node tells, or nobody has the slot, and RedisRefused if they are no cluster.
        """
        node = self._node(key)
        if node is not None:
            return self._client(node)
        self.forget()
        slot = key_slot(key.encode())
        raise RedisUnavailable(
            f"Redis is not available: no node of the cluster in {self._variable} has slot {slot}, where {key} is",
            self._variable,
        )

    def is_away(self, key: str) -> bool:
        """Returns whether the node that has the slot of this key has failed, and not answered since.

        True also if nobody tells which node that is.
        """
        try:
            node = self._node(key)
        except (RedisUnavailable, RedisRefused):
            return True
        return node is None or self._away.is_away(node)

    def shards(self) -> Sequence[Shard]:
        """Returns each node that has slots. Raises as `of`."""
        slots: dict[Node, list[Range]] = {}
        for first, last, node in self._slots or self._asked():
            slots.setdefault(node, []).append((first, last))
        return [Shard(address(*node), self._client(node), ranges) for node, ranges in slots.items()]

    def forget(self) -> None:
        """Has the next call ask which node has which slot."""
        self._slots = None

    def close(self) -> None:
        """Closes every connection."""
        for client in self._clients.values():
            client.close()

    def _node(self, key: str) -> Node | None:
        slot = key_slot(key.encode())
        return next((node for first, last, node in self._slots or self._asked() if first <= slot <= last), None)

    def _client(self, node: Node) -> redis.Redis:
        with self._lock:
            if node not in self._clients:
                self._clients[node] = self._open_node(
                    node, partial(self._faulted, node), partial(self._away.answered, node)
                )
            return self._clients[node]

    def _faulted(self, node: Node, error: redis.RedisError) -> None:
        self.forget()
        self._away.faulted(node, error)

    def _leave_all_but(self, nodes: Collection[Node]) -> None:
        """Closes the idle connections to other nodes: each failover, and each new address, leaves some behind."""
        self._away.keep(nodes)
        with self._lock:
            left = [self._clients.pop(node) for node in [*self._clients] if node not in nodes]
        for client in left:
            # A thread that still waits for an answer closes its own.
            client.connection_pool.disconnect(inuse_connections=False)

    def _asked(self) -> Sequence[tuple[int, int, Node]]:
        """Asks the nodes, one after the other, which has which slot.

        The one that tells is asked last the next time: if it is cut off from the others, or was taken out of the
        cluster, what it tells leads nowhere, and each fault has another one asked.
        """
        known = sorted(dict.fromkeys([*self._known, *self._named]), key=self._away.is_away)
        error: PublisherError = RedisUnavailable("Redis is not available: no node was asked", self._variable)
        for node in islice(known, _ASKED):
            others = [each for each in known if each != node]
            try:
                slots = self._slots_by(node)
            except (RedisUnavailable, RedisRefused) as told:
                error, self._known = told, [*others, node]
                continue
            if not slots:
                error, self._known = self._in_no_cluster(node), [*others, node]
                continue
            having = dict.fromkeys(each for _, _, each in slots)
            first = dict.fromkeys([*(each for each in others if each in having), *having, *others])
            self._known = [*islice((each for each in first if each != node), _REMEMBERED), node]
            self._slots = slots
            self._leave_all_but({node, *having})
            return slots
        raise error

    def _in_no_cluster(self, node: Node) -> RedisUnavailable:
        return RedisUnavailable(
            f"Redis is not available: {address(*node)} in {self._variable} knows of no node with slots",
            self._variable,
        )

    def _slots_by(self, node: Node) -> Sequence[tuple[int, int, Node]]:
        try:
            with translated():
                found = self._client(node).execute_command("CLUSTER SLOTS")
        except RedisRefused as error:
            raise RedisRefused(f"{error} (CLUSTER SLOTS, of {self._variable})") from error
        return [(first, last, (_host(of, node[0]), of[1])) for first, last, of, *_ in found]


def _host(of: Sequence[Any], asked: str) -> str:
    """Returns the host of a node.

    Nodes that are to announce names, and have none, announce `?`: then their address stands beside it. Nodes that know
    no address, or are behind a load balancer, announce nothing: then it is the host of the one that was asked.

    of: host, port, id, and since Redis 7 names with values. asked: that host.
    """
    told = of[0]
    if told == b"?":
        beside = of[3] if len(of) > 3 else []
        told = dict(zip(beside[::2], beside[1::2], strict=True)).get(b"ip")
    return told.decode() if told else asked
