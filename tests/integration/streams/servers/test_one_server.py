"""One shard of several is no Redis for queues; whatever else is behind REDIS_URL is (R13)."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis

from publisher.domain.errors import SettingsError
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.one_server import refuse_shards
from tests.clusters import RunningCluster, running_cluster
from tests.integration.conftest import AsUser
from tests.processes import free_port
from tests.valkeys import port_of


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Two shards, each with a replica."""
    with running_cluster(tmp_path_factory.mktemp("cluster"), shards=2, replicated=True) as running:
        yield running


def opened(port: int) -> redis.Redis:
    """A client as the service opens it."""
    return open_redis(f"redis://127.0.0.1:{port}/0", timeout=timedelta(seconds=3), client_name="test")


def test_each_node_of_two_shards_is_refused(shards: RunningCluster) -> None:
    """Whichever keys it has, replicas too. What to do is said."""
    for node in shards.nodes:
        with opened(port_of(node)) as client, pytest.raises(SettingsError, match="PUBLISHER_EMAIL_REDIS_URL"):
            refuse_shards(client)


def test_a_single_server_is_not(own_client: redis.Redis, as_user: AsUser) -> None:
    """Nor one that is away, nor one that lets this user read nothing: these are other faults."""
    refuse_shards(own_client)
    refuse_shards(as_user("+@all"))
    with opened(free_port()) as client:
        refuse_shards(client)


def test_a_replica_of_the_only_shard_is_not(tmp_path_factory: pytest.TempPathFactory) -> None:
    """After a failover a URL may lead there for a while: that is an outage, and ends."""
    with running_cluster(tmp_path_factory.mktemp("cluster"), shards=1, replicated=True) as cluster:
        for node in cluster.nodes:
            with opened(port_of(node)) as client:
                refuse_shards(client)
