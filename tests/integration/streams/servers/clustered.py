"""Streams in a cluster, as the service opens it, and what tests append to them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from publisher.channels.push import PUSH
from publisher.domain.channel import Channel, Command
from publisher.streams.append_result import Appended, AppendResult
from publisher.streams.outbound import Delivery, OutboundStreams
from publisher.streams.servers.cluster import Cluster
from publisher.streams.servers.connection import open_node, open_redis
from publisher.streams.servers.redis_url import read_url
from publisher.streams.servers.stream_servers import StreamServers
from tests.clusters import RunningCluster
from tests.waiting import wait_until

AT = "redis+cluster://test"
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
# In slots of three different shards.
CHANNELS = [replace(PUSH, stream=f"commands:{letter}", server=AT) for letter in "abc"]


def opened(
    cluster: RunningCluster | str,
    timeout: timedelta = timedelta(seconds=3),
    on_answer: Callable[[], None] = lambda: None,
    without: int | None = None,
    **tls: str,
) -> StreamServers:
    """All streams at `AT` are in this cluster; there is no other Redis.

    cluster: or a URL of some of its nodes. without: the port of a node that is not reached. tls: see `open_redis`.
    """
    several = read_url(cluster if isinstance(cluster, str) else cluster.url)
    assert several is not None
    of_cluster = Cluster(
        several.hosts,
        lambda node, on_fault, answered: open_node(
            several,
            node[0],
            1 if node[1] == without else node[1],
            timeout=timeout,
            client_name="test",
            on_fault=on_fault,
            on_answer=answered,
            variable="PUBLISHER_PUSH_REDIS_URL",
            **tls,
        ),
        "PUBLISHER_PUSH_REDIS_URL",
        on_answer,
    )
    nowhere = open_redis("redis://127.0.0.1:1/0", timeout=timeout, client_name="test")
    return StreamServers(nowhere, {AT: of_cluster}, {"intents": AT})


def deliveries(*numbers: int) -> list[Delivery]:
    """Commands of these deliveries."""
    return [Delivery(f"n/{number}", Command((("event_id", f"n/{number}"),))) for number in numbers]


def entries(results: Sequence[AppendResult]) -> list[str]:
    """The entry ids of commands that all stand."""
    assert all(isinstance(result, Appended) for result in results), results
    return [result.entry_id for result in results if isinstance(result, Appended)]


def until_appended(streams: OutboundStreams, channel: Channel, wanted: Sequence[Delivery]) -> list[str]:
    """Appends as a worker does: again and again, until all stand."""
    results: list[AppendResult] = []

    def stand() -> bool:
        results[:] = streams.append(channel, wanted)
        return all(isinstance(result, Appended) for result in results)

    wait_until(stand, describe=lambda: results)
    return entries(results)
