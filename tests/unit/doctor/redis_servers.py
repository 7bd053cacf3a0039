"""A Redis server with nothing amiss."""

from publisher.streams.health import RedisServer

REDIS = RedisServer(
    product="Valkey 9.1.2",
    loading=False,
    role="master",
    mode="standalone",
    aof=True,
    aof_healthy=True,
    rdb_healthy=True,
    used_memory=2**30,
    max_memory=2**32,
    system_memory=2**34,
    policy="noeviction",
    evicted=0,
    clients=10,
    max_clients=1000,
)
