"""A cluster that serves nobody while one of its shards is away, as `cluster-require-full-coverage yes` has it (R13)."""

import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from publisher.domain.errors import RedisUnavailable
from publisher.streams.append_result import NotAppended
from publisher.streams.outbound import OutboundStreams
from tests.clusters import running_cluster
from tests.integration.streams.servers.clustered import CHANNELS, HOUR, deliveries, entries, opened, until_appended
from tests.valkeys import port_of
from tests.waiting import wait_until


def test_a_shard_that_is_away_parks_the_channels_of_the_others_and_costs_no_attempts(tmp_path: Path) -> None:
    """Whether the cluster answers reads meanwhile or nothing at all; it is over once the shard is back (R12, R35)."""
    with running_cluster(tmp_path, shards=2) as cluster:
        channel = CHANNELS[0]
        here = cluster.owner(channel.stream)
        away = next(node for node in cluster.nodes if node is not here)
        process = away.info("server")["process_id"]
        with opened(f"redis+cluster://127.0.0.1:{port_of(here)}", timedelta(seconds=1)) as servers:
            streams = OutboundStreams(servers, HOUR)
            before = entries(streams.append(channel, deliveries(1)))
            os.kill(process, signal.SIGSTOP)
            try:
                wait_until(lambda: here.execute_command("CLUSTER INFO")["cluster_state"] == "fail")
                [nothing] = streams.append(channel, deliveries(2))
                here.config_set("cluster-allow-reads-when-down", "yes")
                [reads] = streams.append(channel, deliveries(2))
                with pytest.raises(RedisUnavailable, match="while the cluster is down"):
                    streams.end([(channel.address, "n/3", 0)], ["expired"])
            finally:
                os.kill(process, signal.SIGCONT)

            assert until_appended(streams, channel, deliveries(1, 2))[:1] == before
            assert here.xlen(channel.stream) == 2

    for refused in (nothing, reads):
        assert isinstance(refused, NotAppended)
        assert refused.channels_fault, refused.message
    assert "PUBLISHER_PUSH_REDIS_URL is away: the others go on if most of them are there" in nothing.message
