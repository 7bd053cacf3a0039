"""What Redis says of its own state, each fault made real."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from publisher.domain.errors import PublisherError, RedisUnavailable
from publisher.streams import health
from publisher.streams.health import RedisConfiguration
from tests.integration.conftest import AsUser
from tests.valkeys import OwnValkey
from tests.waiting import wait_until


def test_the_embedded_server_says_what_it_is(own_client: redis.Redis) -> None:
    """Its name and version, that it persists, and that it evicts nothing."""
    found = health.read_server(own_client)

    assert found.product.startswith("Valkey ")
    assert (found.role, found.loading, found.aof, found.aof_healthy, found.rdb_healthy) == (
        ("master", False) + (True,) * 3
    )
    assert (found.policy, found.max_memory, found.evicted) == ("noeviction", 0, 0)
    assert found.used_memory > 0
    assert found.max_clients == 10_000
    assert health.read_configuration(own_client) == RedisConfiguration("everysec", "", stop_writes_on_error=True)


def test_changes_of_the_configuration_are_seen(own_client: redis.Redis) -> None:
    """Another policy, a limit, no append-only file, snapshots, and keys that were evicted."""
    own_client.config_set("appendonly", "no")
    own_client.config_set("save", "3600 1")
    own_client.config_set("appendfsync", "no")
    own_client.config_set("stop-writes-on-bgsave-error", "no")
    own_client.config_set("maxmemory-policy", "allkeys-lru")
    own_client.config_set("maxmemory", "8mb")
    with own_client.pipeline(transaction=False) as pipe:
        for n in range(200):
            pipe.set(f"filling:{n}", b"x" * 65536)
        pipe.execute()

    found = health.read_server(own_client)

    assert (found.aof, found.policy, found.max_memory) == (False, "allkeys-lru", 8 * 1024 * 1024)
    assert found.evicted > 0
    assert health.read_configuration(own_client) == RedisConfiguration("no", "3600 1", stop_writes_on_error=False)


def test_a_replica_is_seen(own_client: redis.Redis) -> None:
    """It would refuse every append."""
    own_client.replicaof("127.0.0.1", 1)

    assert health.read_server(own_client).role == "slave"


def test_the_clock_is_this_machine_s(own_client: redis.Redis) -> None:
    """An aware instant, to the microsecond."""
    before = datetime.now(UTC)

    now = health.read_clock(own_client)

    assert before <= now <= datetime.now(UTC)


def test_a_server_that_is_away_is_unavailable(own_valkey: OwnValkey, own_client: redis.Redis) -> None:
    """Every look says so, none hangs."""
    own_valkey.stop()

    for look in (health.read_server, health.read_clock, health.read_configuration, health.try_write):
        with pytest.raises(RedisUnavailable):
            look(own_client)


@pytest.mark.stray_keys("plants a key of another type")
def test_a_key_that_is_no_stream_is_refused_by_its_type(redis_client: redis.Redis) -> None:
    """Every key with what it holds, one that is missing too."""
    redis_client.set("a", 1)
    redis_client.xadd("b", {"c": 1})

    assert health.key_types(redis_client, ["a", "b", "c"]) == {"a": "string", "b": "stream", "c": "none"}


def test_a_user_who_may_not_ask_for_the_configuration_is_no_crash(as_user: AsUser) -> None:
    """Managed servers deny CONFIG: what it would tell is left out."""
    client = as_user("~*", "+@all", "-@admin", "-@dangerous", "+info")

    assert health.read_configuration(client) is None
    assert health.read_server(client).role == "master"


def test_a_write_that_is_tried_leaves_nothing_behind(own_client: redis.Redis) -> None:
    """The key is gone at once, by itself."""
    health.try_write(own_client)

    wait_until(lambda: own_client.dbsize() == 0)


def test_a_redis_that_cannot_write_its_snapshot_takes_no_write(own_client: redis.Redis, tmp_path: Path) -> None:
    """MISCONF: a folder stands where its file should, as a full disk would."""
    own_client.config_set("save", "3600 1")
    (tmp_path / "valkey" / "dump.rdb" / "a").mkdir(parents=True)
    own_client.bgsave()
    wait_until(lambda: own_client.info("persistence")["rdb_last_bgsave_status"] == "err")

    with pytest.raises(PublisherError, match="MISCONF"):
        health.try_write(own_client)
    # It would not end by itself either, as long as it has something to save.
    own_client.config_set("save", "")


def test_a_full_redis_takes_no_write(own_client: redis.Redis) -> None:
    """OOM: its policy is to refuse."""
    own_client.config_set("maxmemory", 1)

    with pytest.raises(PublisherError, match="used memory > 'maxmemory'"):
        health.try_write(own_client)


def test_a_replica_takes_no_write(own_client: redis.Redis) -> None:
    """READONLY, also where INFO is not allowed to tell its role."""
    own_client.replicaof("127.0.0.1", 1)

    with pytest.raises(PublisherError, match="against a read only replica"):
        health.try_write(own_client)


def test_a_redis_without_a_cluster_has_no_shards(own_client: redis.Redis, as_user: AsUser) -> None:
    """Nor has one that may not be asked."""
    assert health.read_shards(own_client) is None
    assert health.read_shards(as_user("~*", "+@all", "-cluster")) is None
