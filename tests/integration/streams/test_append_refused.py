"""Appends that Redis refuses or does not answer: each route's own failure, as a value (R7, R11, R12)."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
import redis

from publisher.channels.push import PUSH
from publisher.domain.channel import Command
from publisher.streams.append_result import Appended, AppendResult, NotAppended
from publisher.streams.keys import witness_key
from publisher.streams.outbound import Delivery, OutboundStreams
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from tests.valkeys import OwnValkey

HOUR = timedelta(hours=1)


def deliveries(count: int, size: int = 1) -> list[Delivery]:
    return [Delivery(f"delivery-{n}", Command((("text", "x" * size),))) for n in range(count)]


def reasons(results: Sequence[AppendResult]) -> list[str]:
    return [result.message if isinstance(result, NotAppended) else "" for result in results]


def witnesses(client: redis.Redis) -> list[bytes]:
    return list(client.scan_iter(match="publisher:witness:*"))


def failing_at(numbers: set[int], call: Callable[..., Any]) -> Callable[..., Any]:
    """The call, but with no reply at these of its times."""
    times = iter(range(1, 1000))

    def sometimes(*arguments: Any) -> Any:
        if next(times) in numbers:
            raise redis.ConnectionError("Connection reset by peer")
        return call(*arguments)

    return sometimes


def test_a_key_that_is_no_stream_refuses_each_command(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """Where the stream's key holds something else, every command is refused with the reason (R7)."""
    redis_client.set(PUSH.stream, "not a stream")

    results = streams.append(PUSH, deliveries(3))

    assert len(results) == 3
    assert all(reason.startswith("Redis refused: WRONGTYPE") for reason in reasons(results))


def test_a_refused_command_is_not_taken_for_known(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A refused command leaves no witness: it is appended once the stream takes it (R12)."""
    redis_client.set(PUSH.stream, "not a stream")
    streams.append(PUSH, deliveries(3))
    assert witnesses(redis_client) == []
    redis_client.delete(PUSH.stream)

    results = streams.append(PUSH, deliveries(3))

    assert [isinstance(result, Appended) and result.first for result in results] == [True] * 3


@pytest.mark.stray_keys("plants a key of another type")
def test_one_bad_command_does_not_stop_its_batch(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """Each command of a batch is refused or appended by itself, and the results keep their order (R11)."""
    one, broken_witness, known, last = deliveries(4)
    [before] = streams.append(PUSH, [known])
    redis_client.lpush(witness_key(PUSH.stream, broken_witness.delivery_id), "not a witness")
    empty = Delivery("empty", Command(()))

    results = streams.append(PUSH, [one, broken_witness, empty, known, last])

    assert isinstance(before, Appended)
    assert [isinstance(result, Appended) for result in results] == [True, False, False, True, True]
    assert "WRONGTYPE" in reasons(results)[1]
    assert "wrong number of arg" in reasons(results)[2].lower()
    assert results[3] == Appended(before.entry_id, first=False)
    assert redis_client.xlen(PUSH.stream) == 3


def test_a_command_of_countless_fields_is_refused_alone(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A command with more fields than the server can take at once is refused, and its neighbours are not (R11)."""
    one, last = deliveries(2)
    countless = Delivery("countless", Command((("name", "value"),) * 100_000))

    results = streams.append(PUSH, [one, countless, last])

    assert [isinstance(result, Appended) for result in results] == [True, False, True]
    assert redis_client.xlen(PUSH.stream) == 2


def test_a_full_server_refuses_and_later_takes(own_client: redis.Redis) -> None:
    """A server without memory refuses each command, remembers none, and takes them once it has room (R7, R12)."""
    streams = OutboundStreams(StreamServers(own_client), HOUR)
    own_client.config_set("maxmemory", "1")
    refused = streams.append(PUSH, deliveries(3))
    own_client.config_set("maxmemory", "0")

    assert all("OOM" in reason for reason in reasons(refused))
    assert witnesses(own_client) == []
    taken = streams.append(PUSH, deliveries(3))
    assert [isinstance(result, Appended) and result.first for result in taken] == [True] * 3


def test_a_full_server_still_knows_what_it_has(own_client: redis.Redis) -> None:
    """A server without memory still answers for a delivery that stands on the stream (R12)."""
    streams = OutboundStreams(StreamServers(own_client), HOUR)
    [first] = streams.append(PUSH, deliveries(1))
    own_client.config_set("maxmemory", "1")

    [known] = streams.append(PUSH, deliveries(1))

    assert isinstance(first, Appended)
    assert known == Appended(first.entry_id, first=False)


def test_a_replica_refuses(own_client: redis.Redis) -> None:
    """A server that became a replica refuses each command, and none is lost to a witness (R7, R12)."""
    streams = OutboundStreams(StreamServers(own_client), HOUR)
    own_client.replicaof("127.0.0.1", "1")
    refused = streams.append(PUSH, deliveries(2))
    own_client.replicaof("NO", "ONE")

    assert [type(result) for result in refused] == [NotAppended] * 2
    assert own_client.xlen(PUSH.stream) == 0
    taken = streams.append(PUSH, deliveries(2))
    assert [isinstance(result, Appended) and result.first for result in taken] == [True] * 2


def test_an_unreachable_server_is_each_routes_failure() -> None:
    """A server that cannot be reached is a value for each command, never an exception (R7)."""
    with open_redis("redis://127.0.0.1:1/0", timeout=timedelta(seconds=1), client_name="test") as nowhere:
        results = OutboundStreams(StreamServers(nowhere), HOUR).append(PUSH, deliveries(3))

    assert [reason.partition(":")[0] for reason in reasons(results)] == ["Redis is not available"] * 3


def test_a_connection_that_died_idle_is_replaced(own_valkey: OwnValkey, own_client: redis.Redis) -> None:
    """A pooled connection that a restart of the server killed costs no attempt (R12)."""
    streams = OutboundStreams(StreamServers(own_client), HOUR)
    streams.append(PUSH, deliveries(1))
    own_valkey.restart()

    results = streams.append(PUSH, deliveries(2))

    assert [isinstance(result, Appended) and result.first for result in results] == [False, True]
    assert own_client.xlen(PUSH.stream) == 2


def test_a_call_without_an_answer_ends_its_batch(
    streams: OutboundStreams, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a batch in several calls what is appended stays so; after one call without an answer the others are
    not waited for (R5, R11)."""
    streams.append(PUSH, deliveries(1))
    # The second call and its repetition; a third one would succeed.
    monkeypatch.setattr(redis_client, "evalsha", failing_at({2, 3}, redis_client.evalsha))

    results = streams.append(PUSH, deliveries(10, size=1024 * 1024))

    appended = [isinstance(result, Appended) for result in results]
    assert appended == [True] * 3 + [False] * 7
    assert redis_client.xlen(PUSH.stream) == 3


def test_connections_to_a_primary_that_became_a_replica_are_left(own_client: redis.Redis) -> None:
    """Its name, or a Sentinel, may lead to another server by now: the next connection asks (R12)."""
    streams = OutboundStreams(StreamServers(own_client), HOUR)
    streams.append(PUSH, deliveries(1))
    before = own_client.client_id()
    own_client.replicaof("127.0.0.1", "1")

    [reason] = reasons(streams.append(PUSH, deliveries(2)[1:]))
    after_a_script = own_client.client_id()
    with pytest.raises(redis.exceptions.ReadOnlyError):
        own_client.set("key", 1)

    assert "READONLY" in reason
    assert len({before, after_a_script, own_client.client_id()}) == 3
