"""A witness that cannot be set: the command is taken back, or said to stand without one (R12)."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
import redis

from publisher.channels.push import PUSH
from publisher.domain.channel import Command
from publisher.streams.append_result import Appended, NotAppended
from publisher.streams.outbound import Delivery, OutboundStreams
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database
from tests.integration.publishers import logged, publisher
from tests.integration.rows import due_routes, one_route
from tests.valkeys import OwnValkey

HOUR = timedelta(hours=1)
DELIVERIES = [Delivery(f"d{n}", Command((("n", str(n)),))) for n in range(3)]


@pytest.fixture
def without(own_valkey: OwnValkey, own_client: redis.Redis) -> Iterator[Callable[..., OutboundStreams]]:
    """The streams as a user sees them who may do everything but these commands."""
    with ExitStack() as stack:

        def limited(*denied: str) -> OutboundStreams:
            own_client.acl_setuser(
                "limited", enabled=True, nopass=True, keys=["*"], commands=["+@all", *(f"-{name}" for name in denied)]
            )
            url = own_valkey.url.replace("redis://", "redis://limited:x@")
            client = stack.enter_context(open_redis(url, timeout=timedelta(seconds=3), client_name="test"))
            return OutboundStreams(StreamServers(client), HOUR)

        yield limited


def test_a_command_that_cannot_be_remembered_is_taken_back(
    without: Callable[..., OutboundStreams], own_client: redis.Redis
) -> None:
    """Without its witness the command would be written at every attempt: nothing stands, and the error is told."""
    results = without("set").append(PUSH, DELIVERIES)

    assert [isinstance(result, NotAppended) and result.channels_fault for result in results] == [True] * 3
    assert own_client.xlen(PUSH.stream) == 0


def test_a_command_that_cannot_be_taken_back_counts_as_appended(
    without: Callable[..., OutboundStreams], own_client: redis.Redis
) -> None:
    """Where neither is possible the command stands, and the result says that nothing remembers it."""
    results = without("set", "xdel").append(PUSH, DELIVERIES)

    assert [isinstance(r, Appended) and r.first and r.unwitnessed is not None for r in results] == [True] * 3
    assert [r.entry_id for r in results if isinstance(r, Appended)] == [
        id_.decode() for id_, _ in own_client.xrange(PUSH.stream)
    ]


def test_a_route_without_a_witness_is_published_once_and_told(
    database: Database, without: Callable[..., OutboundStreams], own_client: redis.Redis
) -> None:
    """Its command is recorded, so that no attempt follows, and an error says what that rests on."""
    [route] = due_routes(database, 1, "push")

    with logged() as events:
        publisher(database, without("set", "xdel")).publish_due("push")

    row = one_route(database, route)
    [(entry_id, _)] = own_client.xrange(PUSH.stream)
    assert (row["status"], row["stream_entry_id"]) == ("published", entry_id.decode())
    [told] = [event for event in events if event["log_level"] == "error"]
    assert "without a witness" in told["event"]
    assert told["stream_entry_id"] == entry_id.decode()
