"""Which refusals open the circuit breaker: those of the whole stream, and none of a single route (R11)."""

from datetime import timedelta

import pytest
import redis

from publisher.domain.circuit import GateState
from publisher.streams.keys import witness_key
from publisher.streams.outbound import OutboundStreams
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from storage import gates
from storage.database import Database
from tests.integration.publishers import publisher
from tests.integration.publishing.circuit_breakers import EMAIL, HOUR, probe_is_due, refuse, worker
from tests.integration.rows import all_routes, change, due_routes, make_due, one_route
from tests.valkeys import OwnValkey


def test_a_success_in_between_starts_the_count_again(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """Only batches in a row park: one that was taken, by any worker, starts the count again."""
    due_routes(database, 2)
    one, other = worker(database, streams), worker(database, streams, batch_size=1)
    redis_client.set(EMAIL, "no stream")
    refuse(database, one, 2)
    redis_client.delete(EMAIL)
    refuse(database, other, 1)
    redis_client.set(EMAIL, "no stream")

    refuse(database, one, 2)

    gate = gates.read_gates(database)["email"]
    assert (gate.state, gate.refused_batches) == (GateState.OPEN, 2)


@pytest.mark.stray_keys("plants a key of another type")
def test_a_route_at_fault_parks_no_channel(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A route that is refused for what is its own, or cannot be encoded, counts its attempts and parks nothing."""
    spoilt, no_address = due_routes(database, 2)
    change(database, [no_address], "resolved_email = NULL")
    row = one_route(database, spoilt)
    redis_client.lpush(witness_key(EMAIL, f"{row['notification_id']}/{row['route_id']}"), "no witness")

    refuse(database, worker(database, streams), 6)

    assert gates.read_gates(database) == {}
    assert {row["attempt_count"] for row in all_routes(database)} == {6}


def test_strict_counting_parks_nothing(database: Database, streams: OutboundStreams, broken: redis.Redis) -> None:
    """With parking off every refusal is an attempt (R7), also of a channel that others have parked."""
    due_routes(database, 1)
    refuse(database, worker(database, streams), 3)

    refuse(database, publisher(database, streams), 4)

    assert [row["attempt_count"] for row in all_routes(database)] == [7]


def test_an_unreachable_stream_parks(database: Database) -> None:
    """A Redis that is away is the channel's matter, not its routes'."""
    due_routes(database, 1)
    with open_redis("redis://127.0.0.1:1/0", timeout=timedelta(seconds=1), client_name="test") as nowhere:
        refuse(database, worker(database, OutboundStreams(StreamServers(nowhere), HOUR)), 3)

    assert gates.read_gates(database)["email"].state is GateState.PARKED


def test_a_full_redis_parks(database: Database, own_client: redis.Redis) -> None:
    """A Redis at its memory limit with noeviction refuses everything (OOM), and takes it once there is room."""
    due_routes(database, 2)
    by = worker(database, OutboundStreams(StreamServers(own_client), HOUR))
    own_client.config_set("maxmemory-policy", "noeviction")
    own_client.config_set("maxmemory", "1")
    refuse(database, by, 3)
    assert "OOM" in str(gates.read_gates(database)["email"].park_reason)

    own_client.config_set("maxmemory", "0")
    make_due(database)
    probe_is_due(database)

    assert by.publish_due("email").published == 2


@pytest.mark.parametrize("right", ["evalsha", "xadd"])
def test_a_right_that_is_missing_parks(
    database: Database, own_client: redis.Redis, own_valkey: OwnValkey, right: str
) -> None:
    """A user without the right to append is refused everything (NOPERM), whichever step it is."""
    own_client.acl_setuser("limited", enabled=True, nopass=True, keys=["*"], commands=["+@all", f"-{right}", "-eval"])
    due_routes(database, 1)
    url = own_valkey.url.replace("redis://", "redis://limited:x@")

    with open_redis(url, timeout=timedelta(seconds=3), client_name="test") as limited:
        refuse(database, worker(database, OutboundStreams(StreamServers(limited), HOUR)), 3)

    assert gates.read_gates(database)["email"].state is GateState.PARKED


def test_a_replica_parks(database: Database, own_client: redis.Redis) -> None:
    """A server that has become a replica refuses every write (READONLY), and takes them once it is promoted."""
    due_routes(database, 1)
    by = worker(database, OutboundStreams(StreamServers(own_client), HOUR))
    own_client.replicaof("127.0.0.1", "1")
    refuse(database, by, 3)
    assert gates.read_gates(database)["email"].state is GateState.PARKED

    own_client.replicaof("NO", "ONE")
    make_due(database)
    probe_is_due(database)

    assert by.publish_due("email").published == 1
