"""What Redis says of its own state: facts for `publisher doctor`. Nothing here changes anything."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import redis

from publisher.domain.diagnosis.intents import Consumer, Group
from publisher.domain.diagnosis.redis_server import RedisConfiguration, RedisServer
from publisher.domain.errors import RedisRefused
from publisher.domain.instants import EPOCH
from publisher.streams.connection import translated
from publisher.streams.outbound import witness_key


def read_clock(client: redis.Redis) -> datetime:
    """What Redis's clock says now."""
    with translated():
        seconds, microseconds = client.time()
    return EPOCH + timedelta(seconds=seconds, microseconds=microseconds)


def read_server(client: redis.Redis) -> RedisServer:
    """What the server says of itself, also while it loads its data. Raises RedisRefused where INFO is not allowed."""
    with translated():
        info: Mapping[str, Any] = client.info()
    # Valkey says the version of Redis that it is compatible with as well.
    valkey, version = info.get("valkey_version"), info.get("redis_version", "of unknown version")
    return RedisServer(
        product=f"Valkey {valkey}" if valkey else f"Redis {version}",
        loading=bool(info.get("loading")),
        role=str(info.get("role", "unknown")),
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
    """What CONFIG GET tells, or None where it is denied or renamed, as managed servers do."""
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


def read_group(client: redis.Redis, stream: str, group: str) -> Group | None:
    """The consumer group, or None where there is no stream, or no such group."""
    now = read_clock(client)
    try:
        with translated():
            groups = client.xinfo_groups(stream)
    except RedisRefused as error:
        if "no such key" not in str(error):
            raise
        return None
    for found in groups:
        if found["name"] == group.encode():
            break
    else:
        return None
    with translated():
        unread: Any = client.xrange(stream, min=f"({found['last-delivered-id'].decode()}", count=1)
        pending: Mapping[str, Any] = client.xpending(stream, group)
        consumers = client.xinfo_consumers(stream, group)
    return Group(
        found.get("lag"),
        _age(now, unread[0][0]) if unread else None,
        _age(now, pending["min"]) if pending["min"] else None,
        [
            Consumer(c["name"].decode(errors="replace"), c["pending"], timedelta(milliseconds=c["idle"]))
            for c in consumers
        ],
    )


def key_types(client: redis.Redis, keys: Iterable[str]) -> dict[str, str]:
    """What each key holds: `stream`, `none` for nothing, or another type's name."""
    names = list(keys)
    with translated(), client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.type(name)
        return dict(zip(names, (type_.decode() for type_ in pipe.execute()), strict=True))


def missing_rights(client: redis.Redis, *, intents: str, group: str, streams: Mapping[str, str]) -> list[str]:
    """What this user may not do of all that the service does, as `COMMAND key`.

    streams: channel -> stream. Asks with ACL DRYRUN, which runs nothing. Raises RedisRefused where that is not
    allowed, or not known (before Redis 7).
    """
    commands = [*_intake_commands(intents, group), *_worker_commands(streams), ("INFO",)]
    with translated():
        user = client.acl_whoami()
        with client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command("ACL", "DRYRUN", user, *command)
            replies = pipe.execute()
    refused = [_named(c) for c, reply in zip(commands, replies, strict=True) if reply not in (b"OK", "OK")]
    return list(dict.fromkeys(refused))


def _age(now: datetime, entry_id: bytes) -> timedelta:
    # A producer may choose its ids: some are no instants at all.
    return now - EPOCH - timedelta(milliseconds=min(int(entry_id.partition(b"-")[0]), 2**47))


def _intake_commands(stream: str, group: str) -> Sequence[tuple[str, ...]]:
    return (
        ("XGROUP", "CREATE", stream, group, "0", "MKSTREAM"),
        ("XREADGROUP", "GROUP", group, "c", "STREAMS", stream, ">"),
        ("XAUTOCLAIM", stream, group, "c", "0", "0-0"),
        ("XCLAIM", stream, group, "c", "0", "0-0"),
        ("XPENDING", stream, group),
        ("XRANGE", stream, "-", "+"),
        ("XACK", stream, group, "0-0"),
        ("XTRIM", stream, "MINID", "0"),
        ("EXISTS", stream),
        ("TIME",),
        ("XINFO", "GROUPS", stream),
        ("XINFO", "CONSUMERS", stream, group),
        ("XGROUP", "DELCONSUMER", stream, group, "c"),
        ("EVALSHA", "0" * 40, "1", stream),
        ("SCRIPT", "LOAD", "return 1"),
    )


def _worker_commands(streams: Mapping[str, str]) -> Iterable[tuple[str, ...]]:
    """Appending, the loss audit, signs of life, and Dramatiq's queues, whose script ACLs look into as well."""
    for channel, stream in streams.items():
        witness, wake = witness_key(stream, "0/0"), f"dramatiq:{channel}.wake"
        queue = f"dramatiq:{channel}"
        yield from (
            ("XADD", stream, "*", "a", "b"),
            ("EVALSHA", "0" * 40, "2", stream, witness),
            ("GET", witness),
            ("MGET", witness),
            ("SET", witness, "0-0", "PX", "1"),
            ("PEXPIRE", witness, "1"),
            ("SET", f"publisher:scan:{channel}", "1", "PX", "1"),
            ("LPUSH", wake, "1"),
            ("LTRIM", wake, "0", "1"),
            ("PEXPIRE", wake, "1"),
            ("BLPOP", wake, "1"),
            ("RPUSH", queue, "1"),
            ("LPOP", queue),
            ("HSET", f"{queue}.msgs", "1", "1"),
            ("ZADD", f"{queue}.XQ", "1", "1"),
            ("SADD", f"dramatiq:__acks__.1.{channel}", "1"),
        )
    yield from (
        ("HSET", "publisher:processes", "a", "b"),
        ("EVALSHA", "0" * 40, "1", "dramatiq"),
        ("ZADD", "dramatiq:__heartbeats__", "1", "1"),
        ("KEYS", "dramatiq:__acks__*"),
        ("HINCRBY", "publisher:scan-run:1", "open", "1"),
        ("EXPIRE", "publisher:scan-run:1", "1"),
    )


def _named(command: Sequence[str]) -> str:
    """The command and the key it is about, without a script's digest."""
    if command[0] == "XREADGROUP":
        return f"XREADGROUP {command[-2]}"
    if command[0] in ("XGROUP", "XINFO", "SCRIPT"):
        return " ".join(command[:3])
    if command[0] == "EVALSHA":
        return f"EVALSHA on {' '.join(command[3:])}"
    return " ".join(command[:2])
