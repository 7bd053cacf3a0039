"""Workers trim the streams by themselves: where Redis is full no message asks for it, and nothing else frees it."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import dramatiq
import pytest
import redis

from actors.context import Context
from actors.middleware import trimmer
from actors.retention import send_retention
from publisher.domain.errors import RedisRefused
from tests.factories import CHANNELS
from tests.integration.actors.test_trim_commands import GROUP
from tests.valkeys import OwnValkey
from tests.waiting import wait_until

STREAM = CHANNELS["push"].stream
INTENTS = "notification:intents"


@pytest.fixture
def full(
    own_valkey: OwnValkey,
    own_client: redis.Redis,
    install: Callable[..., Context],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[redis.Redis]:
    """A client of a Redis that is full: of commands and intents of two days ago, which their readers have done with."""
    monkeypatch.setattr(trimmer, "TRIM_INTERVAL", timedelta(milliseconds=50))
    context = install(REDIS_URL=own_valkey.url)
    client = own_client
    client.config_set("stream-node-max-entries", 1)
    seconds, _ = client.time()
    for stream, group in ((STREAM, GROUP), (INTENTS, context.intents_group)):
        ids = [client.xadd(stream, {"n": n}, id=f"{(seconds - 172_800) * 1000}-{n + 1}") for n in range(50)]
        client.xgroup_create(stream, group, "0")
        client.xreadgroup(group, "one", {stream: ">"})
        client.xack(stream, group, *ids)
    client.config_set("maxmemory", "1")
    yield client
    context.stopping.set()
    wait_until(lambda: "trimmer" not in {thread.name for thread in threading.enumerate()})
    client.config_set("maxmemory", "0")


def test_a_full_redis_is_trimmed(full: redis.Redis, start_worker: Callable[..., dramatiq.Worker]) -> None:
    """It takes no message and no note of who trims: what every reader has done with goes all the same."""
    with pytest.raises(RedisRefused):
        send_retention("push")

    start_worker()

    wait_until(lambda: (full.xlen(STREAM), full.xlen(INTENTS)) == (1, 1))
