"""Waits until the workers have finished the scans that an operator requested."""

import time
from collections.abc import Callable, Mapping

import redis

from publisher.domain.errors import PublisherError
from publisher.streams import scan_runs
from publisher.streams.scan_runs import RunState

_PAUSE_SECONDS = 0.05


def wait_for_scans(
    client: redis.Redis, runs: Mapping[str, str], timeout_seconds: float, on_published: Callable[[int], None]
) -> Mapping[str, RunState]:
    """Waits until every run is done, and returns its counts by channel.

    runs: the id of each run, by channel.
    timeout_seconds: a number and no timedelta, since it may be infinite.
    on_published: told again and again how many routes were published so far.
    Raises PublisherError if a run is not done in time, and RedisUnavailable or RedisRefused.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        states = {channel: scan_runs.state(client, run) for channel, run in runs.items()}
        published = sum(state.published for state in states.values())
        if all(state.open <= 0 for state in states.values()):
            return states
        if time.monotonic() > deadline:
            raise PublisherError(
                f"the scan was not done within {timeout_seconds:g} s: are workers running"
                " (dramatiq publisher.actors), and does PostgreSQL answer them? 'publisher doctor' tells."
                f" Published so far: {published:,}"
            )
        on_published(published)
        time.sleep(_PAUSE_SECONDS)
