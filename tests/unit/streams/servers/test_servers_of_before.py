"""A stream whose Redis no setting names any more is looked for where a stream of its name is now (R12, R37)."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.channels.email import EMAIL
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers

NOW, BEFORE = "redis://mail.example:6379/0", "redis://mail:6379/0"


@pytest.mark.parametrize("today", [1, 2, 8])
@pytest.mark.parametrize("address", ["commands", "commands:{0}", "commands:{5}", "commands:{0..3}"])
def test_another_url_and_another_number_of_partitions_are_one_stream(address: str, today: int) -> None:
    """Both may change in one deploy: what a killed worker appended is found under the new URL, and not repeated."""
    hints, own = (open_redis(url, timeout=timedelta(seconds=1), client_name="test") for url in ("redis://hints", NOW))
    channel = replace(EMAIL, stream="commands", server=NOW, partitions=today)
    with closing(hints), closing(own):
        servers = StreamServers(hints, {NOW: own}, channels=[channel])

        assert servers.of(f"{address} @ {BEFORE}") is own
        assert servers.place_of(f"others:{{0}} @ {BEFORE}") == ""
