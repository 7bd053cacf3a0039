"""A channel whose reader is too far behind: parked at once, no attempt counted, open as the reader catches up (R13)."""

from dataclasses import replace
from typing import Any

import pytest
import redis

from publisher.domain.circuit import GateState, Probing
from publisher.process.telemetry import Telemetry
from publisher.publishing.publisher import Publisher
from publisher.streams.outbound import OutboundStreams
from storage import gates
from storage.database import Database
from tests.factories import CHANNELS
from tests.integration.publishers import commands, counters, logged, publisher
from tests.integration.rows import all_routes, change, due_routes, execute, make_due, one_route

EMAIL = CHANNELS["email"].stream
GROUP = "mailer"
SMALL = {**CHANNELS, "email": replace(CHANNELS["email"], stream_ceiling=10)}


def worker(database: Database, streams: OutboundStreams, **options: Any) -> Publisher:
    """A publisher that parks, with a ceiling of ten commands."""
    return publisher(database, streams, **{"probing": Probing(batch=2), "channels": SMALL, **options})


def probe_is_due(database: Database) -> None:
    """The time until the next probe has passed."""
    execute(database, "UPDATE channel_gates SET probe_at = now() - interval '1 second' WHERE parked_at IS NOT NULL")


def read(client: redis.Redis, count: int) -> None:
    """The mailer reads and acknowledges so many commands."""
    [(_, entries)] = client.xreadgroup(GROUP, "one", {EMAIL: ">"}, count)
    client.xack(EMAIL, GROUP, *[id_ for id_, _ in entries])


@pytest.fixture
def mailer(redis_client: redis.Redis) -> redis.Redis:
    """The mailer's group, which has read nothing."""
    redis_client.xgroup_create(EMAIL, GROUP, "0", mkstream=True)
    return redis_client


def test_a_full_stream_parks_its_channel_at_once(
    database: Database, streams: OutboundStreams, mailer: redis.Redis
) -> None:
    """The batch that reaches the ceiling publishes what has room, gives the rest back uncounted, and parks."""
    due_routes(database, 15)
    telemetry = Telemetry()

    with logged() as events:
        report = worker(database, streams, telemetry=telemetry).publish_due("email")

    assert (report.published, report.rescheduled, report.dead_lettered) == (10, [], [])
    waiting = [row for row in all_routes(database) if row["status"] != "published"]
    assert len(waiting) == 5
    assert {(row["status"], row["attempt_count"], row["lease_token"]) for row in waiting} == {("pending", 0, None)}
    gate = gates.read_gates(database)["email"]
    assert (gate.state, gate.park_reason) == (GateState.PARKED, "mailer is 10 commands behind")
    assert [event["event"] for event in events if "channel parked" in event["event"]] == [
        "channel parked: its stream takes no more for now; its routes wait"
    ]
    assert counters(telemetry)["channel_gate_changes_total", "email", "parked"] == 1


def test_looking_again_neither_counts_nor_claims(
    database: Database, streams: OutboundStreams, mailer: redis.Redis
) -> None:
    """However often workers look and probe while the reader is away, no route changes, and no scan wants another."""
    due_routes(database, 15)
    by = worker(database, streams)
    by.publish_due("email")
    waiting = [row for row in all_routes(database) if row["status"] == "pending"]

    for _ in range(20):
        by.publish_due("email")
        assert not by.publish_due("email").more
        by.publish_these("email", [row["id"] for row in waiting])
        probe_is_due(database)

    kept = ("status", "attempt_count", "next_attempt_at", "lease_token", "lease_loss_count")
    now = [row for row in all_routes(database) if row["status"] == "pending"]
    assert [[row[name] for name in kept] for row in now] == [[row[name] for name in kept] for row in waiting]
    assert len(commands(mailer)) == 10


def test_a_probe_says_how_it_stands_now(database: Database, streams: OutboundStreams, mailer: redis.Redis) -> None:
    """The reason that an operator sees is the last probe's."""
    due_routes(database, 15)
    by = worker(database, streams)
    by.publish_due("email")

    probe_is_due(database)
    by.publish_due("email")

    assert gates.read_gates(database)["email"].park_reason == "mailer is 10 commands behind"


def test_it_opens_once_the_reader_has_caught_up_a_little(
    database: Database, streams: OutboundStreams, mailer: redis.Redis
) -> None:
    """A probe asks with nine tenths of the ceiling: one command read opens nothing, a few do, and all is published."""
    due_routes(database, 15)
    by = worker(database, streams)
    by.publish_due("email")

    read(mailer, 1)
    probe_is_due(database)
    assert by.publish_due("email").published == 0
    assert gates.read_gates(database)["email"].state is GateState.PARKED

    read(mailer, 6)
    probe_is_due(database)
    assert by.publish_due("email").published == 2
    assert gates.read_gates(database)["email"].state is GateState.OPEN
    assert by.publish_due("email").published == 3
    assert {row["status"] for row in all_routes(database)} == {"published"}


def test_deadlines_apply_to_what_waits(database: Database, streams: OutboundStreams, mailer: redis.Redis) -> None:
    """A route that waits for the reader expires at its time, and is never sent late."""
    due_routes(database, 11)
    by = worker(database, streams)
    by.publish_due("email")
    [waiting] = [row["id"] for row in all_routes(database) if row["status"] == "pending"]

    change(database, [waiting], "expires_at = now() - interval '1 millisecond'")
    by.end_routes("email")

    assert one_route(database, waiting)["status"] == "expired"


def test_with_parking_off_it_is_an_attempt(database: Database, streams: OutboundStreams, mailer: redis.Redis) -> None:
    """Whoever counts refusals strictly has these counted as well (R7): the backoff alone spaces the tries then."""
    due_routes(database, 11)

    worker(database, streams, probing=None).publish_due("email")

    [failed] = [row for row in all_routes(database) if row["status"] == "failed"]
    assert failed["attempt_count"] == 1
    assert failed["last_failure_message"] == "mailer is 10 commands behind"
    assert gates.read_gates(database) == {}


def test_a_channel_at_work_in_two_places_is_parked_once(
    database: Database, streams: OutboundStreams, mailer: redis.Redis
) -> None:
    """Of batches held back in the same moment exactly one parks the channel (R15)."""
    probing = Probing()

    parked = [gates.note_held_back(database, "email", f"reason {n}", probing) for n in range(3)]

    assert parked == [True, False, False]
    assert gates.read_gates(database)["email"].park_reason == "reason 2"


def test_what_is_known_opens_no_gate(database: Database, streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A command that stands since before is no sign that the channel takes commands: what is refused beside it counts
    as refused, and burns no attempt once the channel is parked."""
    routes = due_routes(database, 6)
    by = worker(database, streams, probing=Probing(batch=6))
    by.publish_these("email", routes[:3])
    change(
        database, routes[:3], "status = 'pending', published_at = NULL, stream_entry_id = NULL, next_attempt_at = now()"
    )
    redis_client.rename(EMAIL, "away")
    redis_client.set(EMAIL, "no stream")
    make_due(database)
    execute(
        database,
        "INSERT INTO channel_gates (channel, refused_batches, parked_at, park_reason, probe_at)"
        " VALUES ('email', 3, now(), 'OOM', now() - interval '1 second')",
    )

    by.publish_due("email")

    assert gates.read_gates(database)["email"].state is GateState.PARKED
    assert [row["status"] for row in all_routes(database)] == ["published"] * 3 + ["pending"] * 3
    assert {row["attempt_count"] for row in all_routes(database)} == {0}


def test_an_outage_longer_than_all_attempts_loses_nothing(
    database: Database, streams: OutboundStreams, mailer: redis.Redis
) -> None:
    """However long the reader is away, nothing becomes a dead letter; at its return everything goes out once."""
    due_routes(database, 40)
    by = worker(database, streams)
    for _ in range(30):
        make_due(database)
        by.publish_due("email")
        probe_is_due(database)

    for _ in range(40):
        if streams_left := mailer.xinfo_groups(EMAIL)[0]["lag"]:
            read(mailer, streams_left)
        probe_is_due(database)
        by.publish_due("email")

    assert {row["status"] for row in all_routes(database)} == {"published"}
    assert len(commands(mailer)) == 40
