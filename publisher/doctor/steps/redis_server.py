"""Checks of one Redis, whichever streams are there: one server, or each primary of a cluster."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import redis

from publisher.doctor.checks import clocks, redis_server, rights
from publisher.doctor.steps.clock import read_clock
from publisher.doctor.steps.step import REDIS, Look, Server, Step, Unusable, once, refusal_of
from publisher.doctor.verdict import Diagnosis, failed, unknown
from publisher.domain.errors import PublisherError, RedisRefused, Unavailable
from publisher.streams import health
from publisher.streams.keys import DOCTOR, doctor_key
from publisher.streams.rights import Streams
from publisher.streams.rights_trial import try_rights
from publisher.streams.servers.cluster import Cluster

T = TypeVar("T")


class Node:
    """One server, each fact of which is read once."""

    def __init__(self, client: redis.Redis, streams: Streams, name: str = "", key: str = DOCTOR) -> None:
        """name: its host and port in a cluster. key: one that doctor may write there."""
        self.client, self.name, self.key = client, name, key
        self.server = once(lambda: health.read_server(client))
        self.clock = once(lambda: read_clock(self._time))
        self.trial = once(lambda: try_rights(client, streams))

    def _time(self) -> datetime:
        return health.read_clock(self.client)


class ExaminedRedis:
    """The checks of one Redis, be it a cluster, and whether it is there at all."""

    def __init__(self, asks: Server, at: redis.Redis | Cluster, streams: Streams, timeout: timedelta) -> None:
        """asks: how its checks are named. streams: those that are there. timeout: how long the service waits for it."""
        self.asks = asks
        self._at = at
        self._streams = streams
        self._timeout = timeout
        self._nodes = once(self._found)
        # Asked by the checks of its streams, too: nobody waits twice for a server that is away.
        self.is_there = once(self._cluster_is_there if isinstance(at, Cluster) else self._server_is_there)

    def steps(self) -> list[Step]:
        """Returns its checks. The first says whether it is there at all."""
        name = self.asks.check
        looks: dict[str, Look] = {name: self.is_there}
        if isinstance(self._at, Cluster):
            looks[f"{name}-slots"] = self._slots
        of_node: dict[str, Callable[[Node], Diagnosis]] = {
            "clock": lambda node: clocks.clock(self.asks.label, node.clock()),
            "persistence": lambda node: redis_server.persistence(node.server(), health.read_configuration(node.client)),
            "eviction": lambda node: redis_server.eviction(node.server()),
            "memory": lambda node: redis_server.memory(node.server()),
            "clients": lambda node: redis_server.clients(node.server()),
            "writes": lambda node: redis_server.writes(refusal_of(lambda: health.try_write(node.client, node.key))),
            "rights": lambda node: rights.redis(node.trial(), self.asks.variable),
        }
        looks |= {f"{name}-{what}": partial(self._of_each, look) for what, look in of_node.items()}
        looks["streams" if self.asks is REDIS else f"{name}-streams"] = self._types
        return [Step(what, self.asks, look) for what, look in looks.items()]

    def _found(self) -> Sequence[Node]:
        if not isinstance(self._at, Cluster):
            return [Node(self._at, self._streams)]
        return [Node(of.client, self._streams, of.name, doctor_key(of.tag)) for of in self._at.shards()]

    def _server_is_there(self) -> Diagnosis:
        [node] = self._nodes()
        found, variable = _if_allowed(node.server), self.asks.variable
        # Before anything else: while it loads its data, Redis answers to INFO alone, and a Sentinel to little more.
        if found is not None and found.loading:
            return redis_server.server(found, timedelta(0), self._timeout, variable)
        sentinel = redis_server.misdirected(found, None, elsewhere=False, variable=variable)
        if sentinel is not None:
            raise Unusable(sentinel)
        shards = health.read_shards(node.client) if found is None or found.mode == "cluster" else None
        try:
            cluster = redis_server.misdirected(found, shards, elsewhere=node.trial().elsewhere, variable=variable)
        except RedisRefused as error:
            raise Unusable(redis_server.refuses_everything(str(error))) from error
        if cluster is not None:
            raise Unusable(cluster)
        return self._answers(node)

    def _cluster_is_there(self) -> Diagnosis:
        try:
            nodes = self._nodes()
        except RedisRefused as error:
            raise Unusable(redis_server.no_cluster(str(error), self.asks.variable)) from error
        return redis_server.of_nodes([(node.name, _of_node(self._answers, node)) for node in nodes])

    def _answers(self, node: Node) -> Diagnosis:
        return redis_server.server(node.server(), node.clock().round_trip, self._timeout, self.asks.variable)

    def _of_each(self, look: Callable[[Node], Diagnosis]) -> Diagnosis:
        nodes = self._nodes()
        if not isinstance(self._at, Cluster):
            return look(nodes[0])
        return redis_server.of_nodes(
            [(node.name, _AWAY if _is_away(node) else _of_node(look, node)) for node in nodes],
        )

    def _slots(self) -> Diagnosis:
        shards = self._at.shards() if isinstance(self._at, Cluster) else []
        return redis_server.slots([range_ for shard in shards for range_ in shard.slots], self.asks.variable)

    def _types(self) -> Diagnosis:
        names = self._streams.names
        if not isinstance(self._at, Cluster):
            return redis_server.streams(health.key_types(self._at, names))
        types: dict[str, str] = {}
        for name in names:
            types |= health.key_types(self._at.of(name), [name])
        return redis_server.streams(types)


_AWAY = unknown("not looked at: it cannot be asked", "mend this node first")


def _is_away(node: Node) -> bool:
    try:
        node.clock()
    except Unavailable:
        return True
    except PublisherError:
        return False
    return False


def _of_node(look: Callable[[Node], Diagnosis], node: Node) -> Diagnosis:
    """One check of one node of a cluster: an error of this node hides no other."""
    try:
        return look(node)
    except Unavailable as error:
        return failed(
            str(error),
            "see that this node runs and takes the login of the others, or have a replica take over: CLUSTER FAILOVER",
        )
    except PublisherError as error:
        return unknown(str(error), "let this user look, or look by other means")


def _if_allowed(read: Callable[[], T]) -> T | None:
    """What it reads, or None where Redis refuses."""
    try:
        return read()
    except RedisRefused:
        return None
