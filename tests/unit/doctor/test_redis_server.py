"""What doctor says of a Redis server: what it keeps, its room, its connections."""

from dataclasses import replace

import pytest

from publisher.doctor.checks import redis_server
from publisher.doctor.verdict import Verdict, ok
from publisher.streams.health import RedisConfiguration
from tests.unit.doctor.redis_servers import REDIS

OK, WARNING, FAILED, UNKNOWN = Verdict.OK, Verdict.WARNING, Verdict.FAILED, Verdict.UNKNOWN
CONFIGURATION = RedisConfiguration(appendfsync="everysec", save="", stop_writes_on_error=True)


@pytest.mark.parametrize(
    ("server", "configuration", "verdict", "finding"),
    [
        ({}, {}, OK, "append-only file, synced everysec"),
        ({}, None, OK, "append-only file"),
        ({}, {"appendfsync": "no"}, WARNING, "appendfsync is no"),
        ({"aof_healthy": False}, {}, FAILED, "the last write to the append-only file failed"),
        ({"rdb_healthy": False}, {}, WARNING, "the last snapshot failed"),
        ({"aof": False}, {"save": "3600 1"}, WARNING, "snapshots alone (save 3600 1)"),
        ({"aof": False, "rdb_healthy": False}, {"save": "3600 1"}, FAILED, "the last snapshot failed; snapshots alone"),
        ({"aof": False}, {}, FAILED, "nothing is kept"),
        ({"aof": False}, None, UNKNOWN, "no append-only file, and snapshots are not shown"),
    ],
)
def test_redis_keeps_what_it_is_given(
    server: dict[str, bool], configuration: dict[str, str] | None, verdict: Verdict, finding: str
) -> None:
    """An append-only file is well, snapshots alone a warning, nothing at all a failure; denied is unknown."""
    asked = None if configuration is None else replace(CONFIGURATION, **configuration)  # type: ignore[arg-type]

    said = redis_server.persistence(replace(REDIS, **server), asked)

    assert said.verdict is verdict
    assert said.finding.startswith(finding)


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, OK),
        ({"policy": "allkeys-lru"}, FAILED),
        ({"policy": "volatile-ttl"}, FAILED),
        ({"policy": "allkeys-lru", "max_memory": 0}, WARNING),
        ({"evicted": 3}, WARNING),
        ({"policy": None}, UNKNOWN),
    ],
)
def test_redis_must_not_evict(changed: dict[str, object], verdict: Verdict) -> None:
    """What it evicts is a command, an intent, or the memory of a delivery (R12)."""
    assert redis_server.eviction(replace(REDIS, **changed)).verdict is verdict  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("used", "limit", "system", "verdict"),
    [
        (75, 100, None, OK),
        (76, 100, None, WARNING),
        (96, 100, None, FAILED),
        (76, 0, 100, WARNING),
        (76, 0, 1000, OK),
        (76, 0, None, UNKNOWN),
    ],
)
def test_redis_must_have_room(used: int, limit: int, system: int | None, verdict: Verdict) -> None:
    """Over three quarters is a warning; where nothing limits it, its machine's memory does."""
    found = replace(REDIS, used_memory=used, max_memory=limit, system_memory=system)

    assert redis_server.memory(found).verdict is verdict


@pytest.mark.parametrize(("clients", "limit", "verdict"), [(16, 20, OK), (17, 20, WARNING), (17, None, UNKNOWN)])
def test_redis_must_have_connections_to_spare(clients: int, limit: int | None, verdict: Verdict) -> None:
    """Small plans have twenty."""
    assert redis_server.clients(replace(REDIS, clients=clients, max_clients=limit)).verdict is verdict


def test_a_stream_whose_key_holds_something_else_fails_the_check() -> None:
    """Every command of the channel would be refused (WRONGTYPE)."""
    said = redis_server.streams({"a": "stream", "b": "none", "c": "string"})

    assert (said.verdict, said.finding) == (FAILED, "c holds a string")
    assert "PUBLISHER_EVENTS_STREAM" in said.remedy
    assert redis_server.streams({"a": "stream", "b": "none"}) == ok("a, b")
    assert redis_server.streams({}) == ok("none: each stream has a Redis of its own")


def test_a_slot_of_a_cluster_without_a_node_is_a_failure() -> None:
    """The streams in it stand still."""
    assert redis_server.slots([(8192, 16383), (0, 8191)], "REDIS_URL").verdict is Verdict.OK
    said = redis_server.slots([(8192, 16000), (1, 8190)], "REDIS_URL")
    assert (said.verdict, said.finding) == (
        Verdict.FAILED,
        "385 of 16,384 slots have no node: 0-0, 8191-8191, 16001-16383",
    )
    assert "0-16383" in redis_server.slots([], "REDIS_URL").finding


def test_what_is_the_same_of_every_node_is_said_once() -> None:
    """A cluster has many nodes. One that differs has all of them named."""
    well = ("a:1", ok("every key stays")), ("b:2", ok("every key stays"))

    assert redis_server.of_nodes(well) == ok("each of 2 nodes: every key stays")
    assert redis_server.of_nodes([well[0], ("b:2", ok("more"))]) == ok("a:1: every key stays; b:2: more")
    assert redis_server.of_nodes([well[0]]) == ok("a:1: every key stays")
