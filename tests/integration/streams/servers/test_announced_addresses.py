"""What addresses nodes of a cluster announce, over TLS too, and what is told of one that leads nowhere (R35, R37)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from publisher.process import scrape_server
from publisher.streams.outbound import OutboundStreams
from publisher.streams.servers.cluster import Cluster
from tests.clusters import RunningCluster, running_cluster
from tests.integration.streams.servers.clustered import AT, CHANNELS, HOUR, deliveries, entries, opened
from tests.processes import free_port
from tests.tls_fronts import Authority, front
from tests.valkeys import port_of

# What a node announces unless a test says otherwise.
_ANNOUNCED = {
    "cluster-announce-ip": "127.0.0.1",
    "cluster-announce-port": 0,
    "cluster-announce-hostname": "",
    "cluster-preferred-endpoint-type": "ip",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A cluster of one node, so what that announces is known at once. It listens on several addresses."""
    with running_cluster(tmp_path_factory.mktemp("cluster"), shards=1) as running:
        running.nodes[0].config_set("bind", "127.0.0.1 127.0.0.2 -::1")
        yield running


@pytest.fixture
def node(running: RunningCluster) -> redis.Redis:
    """The node, as it was."""
    [node] = running.nodes
    node.flushall()
    node.acl_deluser("ann")
    announce(node)
    return node


def announce(node: redis.Redis, **options: object) -> None:
    """Has the node announce this, and otherwise what it does by itself."""
    said = _ANNOUNCED | {name.replace("_", "-"): value for name, value in options.items()}
    for name, value in said.items():
        node.config_set(name, value)


def reached(url: str, **tls: str) -> str:
    """Appends a command once. Returns where the node is, as it told it."""
    with opened(url, **tls) as servers:
        streams = OutboundStreams(servers, HOUR)
        first = entries(streams.append(CHANNELS[0], deliveries(1)))
        assert entries(streams.append(CHANNELS[0], deliveries(1))) == first
        cluster = servers.at(AT)
        assert isinstance(cluster, Cluster)
        [shard] = cluster.shards()
        return shard.name


@pytest.mark.parametrize(
    ("announced", "host"),
    [
        pytest.param(
            {"cluster_announce_hostname": "localhost", "cluster_preferred_endpoint_type": "hostname"},
            "localhost",
            id="a name",
        ),
        pytest.param({"cluster_announce_ip": "::1"}, "[::1]", id="IPv6"),
        pytest.param({"cluster_preferred_endpoint_type": "unknown-endpoint"}, "127.0.0.1", id="nothing"),
        pytest.param(
            {"cluster_announce_ip": "127.0.0.2", "cluster_preferred_endpoint_type": "hostname"},
            "127.0.0.2",
            id="no name, though names are wanted",
        ),
    ],
)
def test_a_node_is_found_by_what_it_announces(node: redis.Redis, announced: dict[str, str], host: str) -> None:
    """A name, an address, or the host that was asked where it announces none."""
    if host == "[::1]" and not scrape_server._has_ipv6():
        pytest.skip("this machine has no IPv6")
    announce(node, **announced)

    assert reached(f"redis+cluster://127.0.0.1:{port_of(node)}") == f"{host}:{port_of(node)}"


def test_an_announced_address_that_is_not_reached_is_told(node: redis.Redis) -> None:
    """Behind NAT, say: it stands in no setting, so what to correct is in Redis."""
    port = free_port()
    announce(node, cluster_announce_ip="127.0.0.3", cluster_announce_port=port)

    with pytest.raises(AssertionError, match=rf"refused \(127\.0\.0\.3:{port}, no TLS\): the nodes of PUBLISHER_PUSH_"):
        reached(f"redis+cluster://127.0.0.1:{port_of(node)}")


@pytest.fixture
def tls(node: redis.Redis, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """TLS to the node, whose certificate is for `localhost`, with a login. Yields the URL and the authority's file."""
    authority = Authority(tmp_path)
    node.acl_setuser("ann", enabled=True, passwords=["+s3cret"], categories=["+@all"], keys=["*"])
    with front(("127.0.0.1", port_of(node)), authority.context("localhost")) as port:
        announce(node, cluster_announce_port=port)
        yield f"rediss+cluster://ann:s3cret@localhost:{port}", str(authority.file)


def test_a_node_over_tls_is_reached_by_the_name_that_it_announces(node: redis.Redis, tls: tuple[str, str]) -> None:
    """Its certificate is verified, and it has the login."""
    node.config_set("cluster-announce-hostname", "localhost")
    node.config_set("cluster-preferred-endpoint-type", "hostname")

    assert reached(tls[0], ca_file=tls[1]).startswith("localhost:")


def test_an_announced_address_that_is_not_in_the_certificate_is_told(tls: tuple[str, str]) -> None:
    """The setting has the right name: the node is to announce it. Unverified the address serves."""
    assert reached(tls[0], tls="insecure").startswith("127.0.0.1:")

    with pytest.raises(AssertionError, match=r"PUSH_REDIS_URL announce this address: .* set cluster-announce-hostname"):
        reached(tls[0], ca_file=tls[1])
