"""The parts of the statement that claims routes, each alone (R4, R5, R5a)."""

from datetime import timedelta

import pytest

from storage.claiming.claim_statement import DUE, ENDING, FREE, ISOLATION, LEASE, OPEN_GATE, TO_BE_SENT
from storage.database import Database
from storage.gates import pause
from tests.integration.rows import change, due_routes, execute, one_route, rows

PAST, FUTURE = "now() - interval '1 second'", "now() + interval '1 minute'"
MARKED = "cancel_requested_at = now() - interval '1 second', cancelled_by = 'ann'"


def meets(database: Database, condition: str, through: bool = False) -> bool:
    """Whether the one route there is meets the condition."""
    parameters = {"channel": "email", "through": through}
    return bool(database.rows(f"SELECT id FROM routes WHERE {condition}", parameters))


@pytest.mark.parametrize(
    ("condition", "assignments", "expected"),
    [
        (FREE, "lease_token = NULL", True),
        (FREE, f"lease_token = 'someone', lease_expires_at = {PAST}", True),
        (FREE, f"lease_token = 'someone', lease_expires_at = {FUTURE}", False),
        (DUE, f"next_attempt_at = {PAST}", True),
        (DUE, f"next_attempt_at = {FUTURE}", False),
        (TO_BE_SENT, "expires_at = NULL", True),
        (TO_BE_SENT, f"expires_at = {FUTURE}", True),
        (TO_BE_SENT, f"expires_at = {PAST}", False),
        (TO_BE_SENT, MARKED, False),
        (ENDING, "expires_at = NULL", False),
        (ENDING, f"expires_at = {FUTURE}", False),
        (ENDING, f"expires_at = {PAST}", True),
        (ENDING, MARKED, True),
        (ENDING, f"expires_at = {FUTURE}, {MARKED}", True),
    ],
)
def test_a_condition_is_met_by_the_route_as_it_stands(
    database: Database, condition: str, assignments: str, expected: bool
) -> None:
    """A route is free, due, to be sent or to be ended by the database's clock (R4, R5, R28)."""
    change(database, due_routes(database, 1), assignments)

    assert meets(database, condition) is expected


@pytest.mark.parametrize("through", [False, True])
def test_a_channel_without_a_gate_is_open(database: Database, through: bool) -> None:
    """A channel that was never paused or parked can be claimed (R4)."""
    due_routes(database, 1)

    assert meets(database, OPEN_GATE, through)


@pytest.mark.parametrize("through", [False, True])
def test_nothing_passes_the_gate_of_a_paused_channel(database: Database, through: bool) -> None:
    """A paused channel has nothing to claim, for a probe neither (R4)."""
    due_routes(database, 1)
    pause(database, "email", "ann", "maintenance")

    assert not meets(database, OPEN_GATE, through)


@pytest.mark.parametrize("through", [False, True])
def test_a_probe_alone_passes_the_gate_of_a_parked_channel(database: Database, through: bool) -> None:
    """A parked channel can be claimed by a probe, and by nobody else (R4)."""
    due_routes(database, 1)
    execute(
        database,
        "INSERT INTO channel_gates (channel, parked_at, park_reason, probe_at) VALUES ('email', now(), 'full', now())",
    )

    assert meets(database, OPEN_GATE, through) is through


@pytest.mark.parametrize(
    ("limit", "losses", "chosen"),
    [
        (4, [0, 0, 0, 0], [1, 2, 3, 4]),
        (4, [0, 1, 0, 0], [2]),
        (16, [1, 0, 1, 1], [1, 3]),
        (128, [2, 2, 2, 1], [1, 2]),
        (128, [3, 3, 0, 2], [1]),
        (128, [9, 9], [1]),
    ],
)
def test_isolation_lets_the_routes_with_the_most_losses_through(
    database: Database, limit: int, losses: list[int], chosen: list[int]
) -> None:
    """Of the routes with the highest loss count limit / 8^losses are claimed, but one at least, the earliest due first
    (R5a)."""
    due = "due AS (SELECT id, id AS place, losses FROM unnest(%(losses)s::int[]) WITH ORDINALITY AS given (losses, id))"

    found = database.rows(
        f"WITH {due}, {ISOLATION} SELECT id FROM chosen ORDER BY id", {"losses": losses, "limit": limit}
    )

    assert [id_ for (id_,) in found] == chosen


@pytest.mark.parametrize(
    ("before", "losses", "stream"),
    [
        ("stream = NULL", 0, "today"),
        ("stream = 'earlier'", 0, "earlier"),
        (f"lease_token = 'dead', lease_expires_at = {PAST}, lease_loss_count = 2", 3, "today"),
    ],
)
def test_a_lease_counts_a_loss_and_keeps_an_earlier_stream(
    database: Database, before: str, losses: int, stream: str
) -> None:
    """Taking over an expired lease adds one loss (R5a), and the stream of an earlier attempt stays with its route."""
    [route] = due_routes(database, 1)
    change(database, [route], before)

    lease = {"token": "mine", "ttl": timedelta(seconds=30), "stream": "today"}
    database.rows(f"UPDATE routes SET {LEASE} RETURNING id", lease)

    leased = one_route(database, route)
    assert (leased["lease_token"], leased["lease_loss_count"], leased["stream"]) == ("mine", losses, stream)
    assert rows(database, "SELECT lease_expires_at - updated_at = interval '30 s' AS so FROM routes")[0]["so"]
