"""Streams that do not work, and workers of a channel with a rate limit."""

from dataclasses import replace
from typing import Any

import pytest
import redis

from publisher.domain.rate_limit import RateLimit
from publisher.publishing.publisher import Publisher
from publisher.streams.outbound import OutboundStreams
from storage.database import Database
from tests.factories import CHANNELS
from tests.integration.publishers import publisher
from tests.integration.publishing.limited_workers import Worker


@pytest.fixture
def broken(redis_client: redis.Redis) -> redis.Redis:
    """A Redis whose email stream refuses everything: its key is a string."""
    redis_client.set(CHANNELS["email"].stream, "no stream")
    return redis_client


@pytest.fixture
def worker(database: Database, streams: OutboundStreams) -> Worker:
    """Makes a publisher; `rate`: the limit of email by its settings."""

    def make(rate: RateLimit | None = None, **options: Any) -> Publisher:
        channels = {**CHANNELS, "email": replace(CHANNELS["email"], rate=rate)}
        return publisher(database, streams, channels=channels, **options)

    return make
