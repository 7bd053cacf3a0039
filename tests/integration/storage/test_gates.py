"""Gates: an operator's pause holds at once and everywhere, and burns no attempts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import redis

from publisher.domain.circuit import Gate, GateState
from publisher.domain.errors import DatabaseRefused
from publisher.streams.outbound import OutboundStreams
from storage import gates
from storage.claiming.claims import claim_due, claim_these
from storage.database import Database
from tests.integration.publishers import InterruptedStreams, commands, publisher
from tests.integration.rows import all_routes, due_routes, execute, one_route

TTL = timedelta(seconds=30)


def test_a_channel_is_open_until_someone_closes_it(database: Database) -> None:
    """A channel that was never paused has no gate, and its routes are claimed."""
    [route] = due_routes(database, 1)

    assert gates.read_gates(database) == {}
    assert claim_due(database, "email", limit=10, lease_ttl=TTL).ids == [route]


def test_a_pause_says_who_why_and_when(database: Database) -> None:
    """Whoever finds a channel paused can see who did it, when, and for what reason."""
    assert gates.pause(database, "email", "ann", "mail server moves")

    gate = gates.read_gates(database)["email"]
    assert (gate.state, gate.paused_by, gate.pause_reason) == (GateState.PAUSED, "ann", "mail server moves")
    assert gate.paused_at is not None


def test_a_paused_channel_has_nothing_due(database: Database) -> None:
    """From the moment of the pause no claim leases a route of the channel, neither a scan's nor a message's."""
    ids = due_routes(database, 2)
    gates.pause(database, "email", "ann", "mail server moves")

    assert claim_due(database, "email", limit=10, lease_ttl=TTL).ids == []
    assert claim_due(database, "email", limit=10, lease_ttl=TTL, through_parking=True).ids == []
    assert claim_these(database, "email", ids, lease_ttl=TTL).ids == []


def test_a_pause_burns_no_attempts(database: Database, streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A worker on a paused channel publishes nothing, and every route stays as it was."""
    due_routes(database, 2)
    gates.pause(database, "email", "ann", "mail server moves")
    before = all_routes(database)
    worker = publisher(database, streams)

    assert worker.publish_due("email").published == 0
    assert worker.publish_these("email", [route["id"] for route in before]).published == 0

    assert all_routes(database) == before
    assert commands(redis_client) == {}


def test_other_channels_go_on(database: Database, streams: OutboundStreams) -> None:
    """A pause is of one channel alone (R16)."""
    due_routes(database, 1, "push")
    gates.pause(database, "email", "ann", "mail server moves")

    assert publisher(database, streams).publish_due("push").published == 1


def test_a_resumed_channel_goes_on(database: Database, streams: OutboundStreams) -> None:
    """After the resume everything that became due is published."""
    due_routes(database, 3)
    gates.pause(database, "email", "ann", "mail server moves")

    assert gates.resume(database, "email")

    assert gates.read_gates(database)["email"] == Gate("email")
    assert publisher(database, streams).publish_due("email").published == 3


def test_a_second_pause_changes_nothing(database: Database) -> None:
    """The first pause stands, with its name and its reason: the second is told that it did not happen."""
    gates.pause(database, "email", "ann", "mail server moves")

    assert not gates.pause(database, "email", "bob", "lunch")

    assert gates.read_gates(database)["email"].paused_by == "ann"


@pytest.mark.parametrize("gone", [False, True], ids=["never closed", "resumed before"])
def test_a_channel_that_is_open_cannot_be_resumed(database: Database, gone: bool) -> None:
    """Resuming an open channel says that nothing happened."""
    if gone:
        gates.pause(database, "email", "ann", "lunch")
        gates.resume(database, "email")

    assert not gates.resume(database, "email")


def test_of_many_who_pause_one_does(database: Database) -> None:
    """Of operators who pause a channel in the same moment exactly one is told that he did (R15)."""
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda n: gates.pause(database, "email", f"operator {n}", "fire"), range(8)))

    assert sum(told) == 1
    by = gates.read_gates(database)["email"].paused_by
    assert by == f"operator {told.index(True)}"


def test_a_claim_in_flight_ends_as_it_began(database: Database, redis_client: redis.Redis) -> None:
    """A batch that was leased before the pause is finished: its commands stand, and are recorded (R6)."""
    [route] = due_routes(database, 1)
    paused_meanwhile = InterruptedStreams(redis_client, lambda: gates.pause(database, "email", "ann", "fire"))

    report = publisher(database, paused_meanwhile).publish_due("email")

    assert report.published == 1
    assert one_route(database, route)["status"] == "published"
    assert gates.read_gates(database)["email"].state is GateState.PAUSED


@pytest.mark.parametrize(
    "half", ["paused_at = now()", "paused_by = 'ann'", "parked_at = now()", "park_reason = 'x'", "probe_at = now()"]
)
def test_no_gate_is_half_closed(database: Database, half: str) -> None:
    """A pause without a name, or a parking without its next probe, is refused by the table itself."""
    gates.pause(database, "email", "ann", "lunch")
    gates.resume(database, "email")

    with pytest.raises(DatabaseRefused):
        execute(database, f"UPDATE channel_gates SET {half}")
