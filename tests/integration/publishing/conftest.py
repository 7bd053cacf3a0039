"""Streams that do not work."""

import pytest
import redis

from tests.factories import CHANNELS


@pytest.fixture
def broken(redis_client: redis.Redis) -> redis.Redis:
    """A Redis whose email stream refuses everything: its key is a string."""
    redis_client.set(CHANNELS["email"].stream, "no stream")
    return redis_client
