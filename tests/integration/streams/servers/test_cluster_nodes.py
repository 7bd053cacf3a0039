"""Nodes of a cluster that are away, or know nothing of the others: what the other nodes have goes on (R13, R37)."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from publisher.channels.push import PUSH
from publisher.domain.stream_address import read_address
from publisher.streams.append_result import Appended, HeldBack
from publisher.streams.outbound import OutboundStreams
from tests.clusters import RunningCluster, running_cluster
from tests.integration.streams.servers.clustered import AT, CHANNELS, HOUR, deliveries, opened, until_appended
from tests.valkeys import join, node_of_cluster, port_of


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Three shards without replicas."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def taken_out(stack: ExitStack, folder: Path, slots: Sequence[int]) -> redis.Redis:
    """A node that is in no cluster of ours any more. slots: those that it still takes for its own, if any."""
    node, _ = node_of_cluster(stack, folder)
    if slots:
        node.execute_command("CLUSTER ADDSLOTSRANGE", *slots)
    return node


@pytest.mark.parametrize("slots", [(), (0, 1), (1, 16383)])
def test_a_node_that_knows_nothing_of_the_others_is_not_asked_for_ever(
    shards: RunningCluster, tmp_path: Path, slots: Sequence[int]
) -> None:
    """It was taken out of the cluster, or is cut off from it, and the setting names it first (R37)."""
    with ExitStack() as stack:
        lone = taken_out(stack, tmp_path / "lone", slots)
        named = shards.url.replace("://", f"://127.0.0.1:{port_of(lone)},")
        streams = OutboundStreams(stack.enter_context(opened(named)), HOUR)

        for channel in CHANNELS:
            until_appended(streams, channel, deliveries(1))


def test_the_partitions_of_other_nodes_take_their_commands(shards: RunningCluster) -> None:
    """A node that is away keeps no others from it, so without parking none of their routes loses an attempt (R13)."""
    channel, wanted = replace(PUSH, server=AT, partitions=8), deliveries(*range(80))
    away = shards.owner(channel.streams[0].stream)
    address = read_address(channel.address)
    wanted.sort(key=lambda delivery: address.part(delivery.delivery_id).stream)

    with opened(shards, without=port_of(away)) as reached:
        results = OutboundStreams(reached, HOUR).append(channel, wanted)

    assert len(results) == len(wanted)
    for delivery, result in zip(wanted, results, strict=True):
        is_there = shards.owner(address.part(delivery.delivery_id).stream) is not away
        assert isinstance(result, Appended if is_there else HeldBack), result


def test_a_node_that_comes_back_at_another_port_is_found(tmp_path: Path) -> None:
    """As a container does; the setting names the other node, and what was appended is known (R12, R37)."""
    with ExitStack() as stack, ExitStack() as before:
        first = node_of_cluster(stack, tmp_path / "first")
        moving = node_of_cluster(before, tmp_path / "moving")
        join([first, moving])
        cluster = RunningCluster([first[0], moving[0]], [])
        channel = next(channel for channel in CHANNELS if cluster.owner(channel.stream) is moving[0])
        with opened(f"redis+cluster://127.0.0.1:{port_of(first[0])}") as servers:
            streams = OutboundStreams(servers, HOUR)
            appended = until_appended(streams, channel, deliveries(1))
            before.close()
            again, _ = node_of_cluster(stack, tmp_path / "moving")

            assert until_appended(streams, channel, deliveries(1, 2))[:1] == appended
            assert again.xlen(channel.stream) == 2
