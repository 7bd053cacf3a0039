"""Reads what tells a Redis with its data from any other: the loss audit looks again once it has changed (R12a)."""

import secrets
from collections.abc import Callable

import redis

from publisher.domain.errors import RedisRefused
from publisher.domain.stream_address import read_address
from publisher.streams.keys import IDENTITY, identity_key
from publisher.streams.servers.connection import translated
from publisher.streams.servers.stream_servers import StreamServers


def identities(servers: StreamServers) -> Callable[[str], str]:
    """Returns what reads an identity, given an address: of each server once."""
    known: dict[str, str] = {}

    def identity(address: str) -> str:
        # Each slot of a cluster has its own.
        of = address if servers.is_cluster(address) else servers.place_of(address)
        if of not in known:
            known[of] = read_identity(servers, address)
        return known[of]

    return identity


def read_identity(servers: StreamServers, address: str) -> str:
    """Returns a text that changes when the Redis of this stream, or of one of its partitions, may have lost data.

    It is made of the run id, the replication id and a key of ours.

    The key changes where the ids do not: after a FLUSHALL, an eviction of every key, or with another database number.
    Where INFO is not allowed, the key stands alone. All streams of a server share it: processes of a deploy that
    renames a stream see the same Redis. In a cluster it has the stream's slot.
    Raises RedisUnavailable or RedisRefused.
    """
    if not servers.is_cluster(address):
        return _identity(servers.of(address), IDENTITY)
    parts = read_address(address).parts
    return ",".join(_identity(servers.of(str(part)), identity_key(part.stream)) for part in parts)


def _identity(client: redis.Redis, key: str) -> str:
    ids = [_info(client, "server", "run_id"), _info(client, "replication", "master_replid")]
    with translated():
        mark = client.get(key)
        if mark is None:
            client.set(key, secrets.token_hex(8), nx=True)
            mark = client.get(key)
    return ":".join([*ids, mark.decode() if isinstance(mark, bytes) else ""])


def _info(client: redis.Redis, section: str, field: str) -> str:
    """Returns a field of INFO; blank where INFO is not allowed, as on managed servers."""
    try:
        with translated():
            return str(client.info(section).get(field, ""))
    except RedisRefused:
        return ""
