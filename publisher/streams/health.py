"""Reads the state of the Redis server, for `publisher doctor`. Only `try_write` writes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import redis

from publisher.domain.errors import RedisRefused
from publisher.domain.instants import EPOCH
from publisher.streams.keys import DOCTOR
from publisher.streams.servers.connection import translated


@dataclass(frozen=True, slots=True)
class RedisServer:
    """The server as INFO describes it. A field is None if INFO does not tell it.

    product: its name and version.
    role: master, slave or sentinel.
    mode: standalone, cluster or sentinel.
    aof_healthy, rdb_healthy: whether the last write succeeded.
    used_memory: bytes.
    max_memory: bytes, or 0 for no limit.
    system_memory: bytes of its machine.
    evicted: keys that the server has evicted since its start.
    """

    product: str
    loading: bool
    role: str
    mode: str
    aof: bool
    aof_healthy: bool
    rdb_healthy: bool
    used_memory: int
    max_memory: int
    system_memory: int | None
    policy: str | None
    evicted: int
    clients: int
    max_clients: int | None


@dataclass(frozen=True, slots=True)
class RedisConfiguration:
    """The persistence settings of the server, as CONFIG GET returns them."""

    appendfsync: str
    save: str
    stop_writes_on_error: bool


# More than the last block of a file has left: on a full disk a few bytes may still find room there.
_BLOCK = 8192


def read_clock(client: redis.Redis) -> datetime:
    """Reads the clock of Redis."""
    with translated():
        seconds, microseconds = client.time()
    return EPOCH + timedelta(seconds=seconds, microseconds=microseconds)


def read_server(client: redis.Redis) -> RedisServer:
    """Reads INFO, also while the server loads its data. Raises RedisRefused where INFO is not allowed."""
    with translated():
        info: Mapping[str, Any] = client.info()
    # Valkey says the version of Redis that it is compatible with as well.
    valkey, version = info.get("valkey_version"), info.get("redis_version", "of unknown version")
    return RedisServer(
        product=f"Valkey {valkey}" if valkey else f"Redis {version}",
        loading=bool(info.get("loading")),
        role=str(info.get("role", "unknown")),
        mode=str(info.get("redis_mode", info.get("server_mode", "standalone"))),
        aof=bool(info.get("aof_enabled")),
        aof_healthy=info.get("aof_last_write_status", "ok") == "ok",
        rdb_healthy=info.get("rdb_last_bgsave_status", "ok") == "ok",
        used_memory=int(info.get("used_memory", 0)),
        max_memory=int(info.get("maxmemory", 0)),
        system_memory=info.get("total_system_memory"),
        policy=info.get("maxmemory_policy"),
        evicted=int(info.get("evicted_keys", 0)),
        clients=int(info.get("connected_clients", 0)),
        max_clients=info.get("maxclients"),
    )


def read_configuration(client: redis.Redis) -> RedisConfiguration | None:
    """Reads the persistence settings; None where CONFIG GET is denied or renamed, as on managed servers."""
    try:
        with translated():
            found = client.config_get("appendfsync", "save", "stop-writes-on-bgsave-error")
    except RedisRefused:
        return None
    return RedisConfiguration(
        str(found.get("appendfsync", "")),
        str(found.get("save", "")),
        found.get("stop-writes-on-bgsave-error", "yes") == "yes",
    )


def key_types(client: redis.Redis, keys: Iterable[str]) -> dict[str, str]:
    """Reads the type of each key: `stream`, `none` if there is no such key, or another."""
    names = list(keys)
    with translated(), client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.type(name)
        return dict(zip(names, (type_.decode() for type_ in pipe.execute()), strict=True))


def try_write(client: redis.Redis, key: str = DOCTOR) -> None:
    """Writes this key, which expires at once. Raises the error that any other write would raise, too.

    It writes twice: a Redis whose disk is full refuses the write after the one that it could not keep.
    """
    with translated():
        client.set(key, b"0" * _BLOCK, px=1000)
        client.set(key, 1, px=1)


def read_shards(client: redis.Redis) -> int | None:
    """Counts the shards of the server's cluster; None if it is in no cluster, or does not tell."""
    try:
        with translated():
            found: Mapping[str, Any] = client.execute_command("CLUSTER INFO")
    except RedisRefused:
        return None
    return int(found["cluster_size"])
