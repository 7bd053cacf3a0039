"""Clients of those outside, which find a primary or a slot again after a failover as careful producers do."""

from datetime import datetime
from typing import Any, Protocol

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

from publisher.streams.servers.redis_url import read_url
from tests.faults.servers import PostgreSQL


def following(url: str, timeout: float) -> Any:
    """A client for this URL: of one server, of the primary that Sentinels name, or of a cluster."""
    several = read_url(url)
    if several is None:
        return redis.Redis.from_url(url, socket_timeout=timeout)
    if several.primary is None:
        return RedisCluster(
            startup_nodes=[ClusterNode(*host) for host in several.hosts],
            socket_timeout=timeout,
            retry=Retry(NoBackoff(), 3),
        )
    sentinels = Sentinel(several.hosts, sentinel_kwargs={"socket_timeout": timeout})
    return sentinels.master_for(several.primary, socket_timeout=timeout, db=several.database)


def is_cluster(url: str) -> bool:
    """True if streams at this URL may be on several servers."""
    several = read_url(url)
    return several is not None and several.primary is None


class SomeRedis(Protocol):
    """A Redis of a run, wherever it is: what asks it from outside.

    running_since: since when it runs without a break, by the wall clock.
    """

    @property
    def url(self) -> str: ...
    @property
    def client(self) -> redis.Redis: ...
    @property
    def running_since(self) -> datetime: ...
    def that_has(self, stream: str) -> redis.Redis:
        """The server that has this stream now."""
        ...


class SomeServers(Protocol):
    """The servers of a run. environ: where processes find them."""

    @property
    def postgresql(self) -> PostgreSQL: ...
    @property
    def valkey(self) -> SomeRedis: ...
    @property
    def environ(self) -> dict[str, str]: ...
