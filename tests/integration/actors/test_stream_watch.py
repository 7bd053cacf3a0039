"""Workers note the streams of their settings, and one of them looks what waits on others (R37)."""

from collections.abc import Callable

import dramatiq
import redis

from actors.context import Context
from publisher.streams.given_up import GivenUp, read_named
from publisher.streams.hints import read_hints
from tests.named_streams import named_before
from tests.waiting import wait_until


def test_a_worker_notes_its_streams_and_looks_at_the_others(
    install: Callable[..., Context], start_worker: Callable[..., dramatiq.Worker], redis_client: redis.Redis
) -> None:
    """At its boot: each partition, and the streams of intents and delivery events. What waits elsewhere is found."""
    redis_client.xadd("mail:commands:{2}", {"n": 1})
    named_before(redis_client, "mail:commands:{1}", "mail:commands:{2}")
    install(PUBLISHER_EMAIL_STREAM="mail:commands", PUBLISHER_EMAIL_PARTITIONS="2")

    start_worker()

    wait_until(lambda: read_hints(redis_client, []).given_up == [GivenUp("mail:commands:{2}", 1)])
    named, now = read_named(redis_client)
    assert {name for name, at in named.items() if (now - at).total_seconds() < 60} == {
        *("mail:commands:{0}", "mail:commands:{1}", "gateway:client_events"),
        *("notification:intents", "notification:delivery_events"),
    }
