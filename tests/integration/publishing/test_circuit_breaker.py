"""The circuit breaker: a stream that refuses everything is parked and probed, and an outage dead-letters nothing."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from publisher.domain.circuit import GateState
from publisher.process.telemetry import Telemetry
from publisher.streams.outbound import OutboundStreams
from storage import gates
from storage.database import Database
from tests.factories import CHANNELS
from tests.integration.publishers import commands, counters, logged
from tests.integration.publishing.circuit_breakers import EMAIL, PROBING, probe_is_due, refuse, worker
from tests.integration.rows import all_routes, due_routes, make_due, rows


def test_the_third_batch_in_a_row_parks(database: Database, streams: OutboundStreams, broken: redis.Redis) -> None:
    """Two refused batches count attempts as ever (R7); the third parks the channel, with the reason."""
    due_routes(database, 5)
    by = worker(database, streams)

    refuse(database, by, 2)
    assert gates.read_gates(database)["email"].state is GateState.OPEN
    refuse(database, by, 1)

    gate = gates.read_gates(database)["email"]
    assert gate.state is GateState.PARKED
    assert "WRONGTYPE" in str(gate.park_reason)
    assert {route["attempt_count"] for route in all_routes(database)} == {3}


def test_a_parked_channel_burns_no_attempts(database: Database, streams: OutboundStreams, broken: redis.Redis) -> None:
    """However often workers look while it is parked, and probe, no route loses an attempt."""
    due_routes(database, 5)
    by = worker(database, streams)
    refuse(database, by, 3)
    make_due(database)
    before = [(row["status"], row["attempt_count"], row["next_attempt_at"]) for row in all_routes(database)]

    for _ in range(20):
        by.publish_due("email")
        by.publish_these("email", [row["id"] for row in all_routes(database)])
        probe_is_due(database)

    assert [(row["status"], row["attempt_count"], row["next_attempt_at"]) for row in all_routes(database)] == before
    assert all(row["lease_token"] is None and row["lease_loss_count"] == 0 for row in all_routes(database))


def test_an_outage_dead_letters_nothing(database: Database, streams: OutboundStreams, broken: redis.Redis) -> None:
    """A hundred failed looks, far more than a push has attempts, and after them everything is published."""
    broken.set(CHANNELS["push"].stream, "no stream")
    due_routes(database, 4, "push")
    by = worker(database, streams)
    for _ in range(100):
        make_due(database)
        by.publish_due("push")
        probe_is_due(database)

    broken.delete(CHANNELS["push"].stream)
    published = 0
    while published < 4:
        probe_is_due(database)
        published += by.publish_due("push").published

    assert {row["status"] for row in all_routes(database)} == {"published"}
    assert rows(database, "SELECT * FROM dead_letters") == []


def test_the_first_command_taken_opens_the_gate(
    database: Database, streams: OutboundStreams, broken: redis.Redis
) -> None:
    """A probe that succeeds opens the channel, says that there is more, and the next batch takes it all."""
    due_routes(database, 5)
    by = worker(database, streams)
    refuse(database, by, 3)
    make_due(database)
    broken.delete(EMAIL)
    probe_is_due(database)
    told: list[bool] = []

    probe = by.publish_due("email", on_more=lambda: told.append(True))

    assert (probe.published, probe.more, told) == (PROBING.batch, True, [True])
    gate = gates.read_gates(database)["email"]
    assert (gate.state, gate.refused_batches, gate.probes) == (GateState.OPEN, 0, 0)
    assert by.publish_due("email").published == 3


def test_a_message_probes_as_well(database: Database, streams: OutboundStreams, broken: redis.Redis) -> None:
    """Traffic on a parked channel tries it, too: no one has to wait for the next scan."""
    [route] = due_routes(database, 1)
    by = worker(database, streams)
    refuse(database, by, 3)
    make_due(database)
    broken.delete(EMAIL)
    probe_is_due(database)

    assert by.publish_these("email", [route]).published == 1


def test_a_look_at_an_open_channel_asks_for_no_probe(
    database: Database, streams: OutboundStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is due and nothing is parked, a scan and a message write nothing: the claim tells of the gate."""
    [route] = due_routes(database, 1)
    by = worker(database, streams)
    assert by.publish_due("email").published == 1
    statements = []
    run = Database.rows
    monkeypatch.setattr(Database, "rows", lambda self, sql, *given: statements.append(sql) or run(self, sql, *given))

    by.publish_due("email")
    by.publish_these("email", [route])

    assert [sql.split()[1] for sql in statements] == ["claim_due", "claim_these"]


def test_probes_come_at_a_growing_interval(database: Database, streams: OutboundStreams, broken: redis.Redis) -> None:
    """The time to the next probe doubles up to its longest."""
    due_routes(database, 1)
    by = worker(database, streams)
    refuse(database, by, 3)
    make_due(database)
    waits = []
    for _ in range(4):
        probe_is_due(database)
        by.publish_due("email")
        [row] = rows(
            database, "SELECT extract(epoch FROM probe_at - clock_timestamp())::float AS wait FROM channel_gates"
        )
        waits.append(row["wait"])

    assert waits == pytest.approx([2, 3, 3, 3], abs=0.5)
    assert gates.read_gates(database)["email"].probes == 4


def test_of_many_workers_one_probes(database: Database, streams: OutboundStreams, broken: redis.Redis) -> None:
    """However many look at once, one of them gets the probe (R15)."""
    due_routes(database, 1)
    refuse(database, worker(database, streams), 3)
    probe_is_due(database)

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda _: gates.begin_probe(database, "email", PROBING), range(8)))

    assert sum(won) == 1


def test_of_many_batches_one_parks(database: Database) -> None:
    """Of batches refused in the same moment exactly one parks the channel: it is logged once (R15)."""
    with ThreadPoolExecutor(8) as pool:
        parked = list(pool.map(lambda _: gates.note_refused(database, "email", "OOM", PROBING), range(8)))

    assert sum(parked) == 1


def test_changes_are_logged_once_and_counted(database: Database, streams: OutboundStreams, broken: redis.Redis) -> None:
    """Parking a channel and opening it are one event and one count each, whatever happens in between (R25, R26)."""
    due_routes(database, 2)
    telemetry = Telemetry()
    by = worker(database, streams, telemetry=telemetry)
    with logged() as events:
        refuse(database, by, 3)
        make_due(database)
        for _ in range(3):
            probe_is_due(database)
            by.publish_due("email")
        broken.delete(EMAIL)
        probe_is_due(database)
        by.publish_due("email")

    told = [event["event"] for event in events if event["event"].startswith("channel ")]
    assert [text.partition(":")[0] for text in told] == ["channel parked", "channel takes commands again"]
    changes = {key[2]: count for key, count in counters(telemetry).items() if key[0] == "channel_gate_changes_total"}
    assert changes == {"parked": 1, "unparked": 1}


def test_a_pause_outlasts_a_parking(database: Database, streams: OutboundStreams, broken: redis.Redis) -> None:
    """A channel that is parked and paused is not probed, and stays paused."""
    due_routes(database, 1)
    by = worker(database, streams)
    refuse(database, by, 3)
    gates.pause(database, "email", "ann", "mail server moves")
    broken.delete(EMAIL)
    make_due(database)
    probe_is_due(database)

    assert by.publish_due("email").published == 0

    gate = gates.read_gates(database)["email"]
    assert (gate.state, gate.probes) == (GateState.PAUSED, 0)
    assert commands(broken) == {}
