"""Handing over: new routes are leased for the worker that gets intake's message about them (R5, R5a, R14)."""

from datetime import timedelta
from typing import Any

import pytest

from storage.accepting.intents import Acceptance
from storage.claiming.claims import Claim, claim_due, claim_ending, claim_these, take_handed_over
from storage.claiming.handover import Handover
from storage.database import Database
from tests.factories import CHANNELS, INTENTS, accept, incoming
from tests.integration.rows import FINAL, all_routes, change, execute, expire_leases, one_route

LASTS = timedelta(seconds=5)
TTL = timedelta(seconds=30)
STREAMS = {name: channel.stream for name, channel in CHANNELS.items()}


def handed_over(database: Database, handover: Handover, **fields: Any) -> Acceptance:
    """An intent for one user, accepted under this handover."""
    return accept(database, INTENTS, [incoming(**fields)], [], handover)


def take(
    database: Database, ids: list[int], token: str, at_least: timedelta = timedelta(0), at_most: timedelta = TTL
) -> Claim:
    return take_handed_over(database, "email", ids, token, at_least=at_least, at_most=at_most)


def test_a_new_route_is_leased_for_the_holder_of_the_message(database: Database) -> None:
    """A route that is handed over is read, whole, by whoever has the token, and claimed by nobody else (R5)."""
    handover = Handover(STREAMS, LASTS)
    accepted = handed_over(database, handover, idempotency_key="turn-17")
    before = all_routes(database)

    assert accepted.handover == handover.token
    assert claim_due(database, "email", limit=10, lease_ttl=TTL).ids == []
    assert claim_these(database, "email", accepted.due["email"], lease_ttl=TTL).ids == []
    assert take(database, accepted.due["email"], Handover({}, LASTS).token).ids == []
    claim = take(database, accepted.due["email"], handover.token)

    assert (claim.ids, claim.token, claim.more) == (accepted.due["email"], handover.token, False)
    assert timedelta(0) < claim.lasts <= LASTS
    [claimed] = claim.routes
    assert claimed.notification is not None
    assert (claimed.notification.idempotency_key, claimed.route.recipient_ref) == ("turn-17", "user:7")
    assert claimed.route.stream == STREAMS["email"]
    assert all_routes(database) == before


def test_a_handover_that_runs_out_counts_no_loss(database: Database) -> None:
    """A route whose message was lost is free when the handover ends, and counts no lease loss; a claim does (R5a)."""
    handed_over(database, Handover(STREAMS, LASTS))

    for losses in (0, 1, 2):
        expire_leases(database)
        [claimed] = claim_due(database, "email", limit=10, lease_ttl=TTL).routes
        assert claimed.route.lease_loss_count == losses


def test_the_holder_of_the_message_may_claim_what_is_handed_over(database: Database) -> None:
    """With too little of the handover left, or too much, its holder claims the routes, for a lease of its own (R5)."""
    handover = Handover(STREAMS, LASTS)
    ids = handed_over(database, handover).due["email"]

    assert take(database, ids, handover.token, LASTS).ids == []
    assert take(database, ids, handover.token, at_most=LASTS / 2).ids == []
    claim = claim_these(database, "email", ids, lease_ttl=TTL, handover=handover.token)

    assert (claim.ids, claim.lasts) == (ids, TTL)
    assert claim.routes[0].route.lease_loss_count == 0
    assert take(database, ids, handover.token).ids == []


@pytest.mark.parametrize(
    ("streams", "fields", "gate"),
    [
        ({"push": "p"}, {}, None),
        ({}, {}, None),
        (STREAMS, {"recipients_json": [{"user_id": "7"}]}, None),
        (STREAMS, {"not_before_ms": "4102444800000"}, None),
        (STREAMS, {}, "paused_at = now(), paused_by = 'ann', pause_reason = 'r'"),
        (STREAMS, {}, "parked_at = now(), park_reason = 'r', probe_at = now()"),
    ],
    ids=["another channel", "no channel", "skipped", "not yet", "paused", "parked"],
)
def test_what_cannot_be_published_at_once_is_not_handed_over(
    database: Database, streams: dict[str, str], fields: dict[str, Any], gate: str | None
) -> None:
    """A skipped route is inserted without a lease, and so is one of a channel that is closed or not named (R3, R5)."""
    if gate:
        execute(database, "INSERT INTO channel_gates (channel) VALUES ('email')")
        execute(database, f"UPDATE channel_gates SET {gate}")

    handed_over(database, Handover(streams, LASTS), **fields)

    [email] = [row for row in all_routes(database) if row["channel"] == "email"]
    assert (email["lease_token"], email["lease_expires_at"], email["stream"]) == (None, None, None)


@pytest.mark.parametrize(
    "meanwhile",
    [
        "expires_at = now() - interval '1 s'",
        "lease_expires_at = now()",
        "lease_token = 'another'",
        "channel = 'push'",
        f"{FINAL['published']}, lease_token = NULL, lease_expires_at = NULL",
    ],
    ids=["deadline passed", "run out", "claimed", "of another channel", "published"],
)
def test_what_has_changed_meanwhile_is_not_taken(database: Database, meanwhile: str) -> None:
    """A handed-over route is read only if a claim could lease it at this moment (R4, R5)."""
    handover = Handover(STREAMS, LASTS)
    ids = handed_over(database, handover).due["email"]
    change(database, ids, meanwhile)

    assert take(database, ids, handover.token).ids == []


@pytest.mark.parametrize(
    ("gate", "through", "taken"),
    [
        ("paused_at = now(), paused_by = 'ann', pause_reason = 'r'", True, False),
        ("parked_at = now(), park_reason = 'r', probe_at = now()", False, False),
        ("parked_at = now(), park_reason = 'r', probe_at = now()", True, True),
    ],
    ids=["paused", "parked", "through parking"],
)
def test_a_gate_that_closed_meanwhile_keeps_what_was_handed_over(
    database: Database, gate: str, through: bool, taken: bool
) -> None:
    """A channel that is paused or parked after its routes were handed over publishes none of them."""
    handover = Handover(STREAMS, LASTS)
    ids = handed_over(database, handover).due["email"]
    execute(database, "INSERT INTO channel_gates (channel) VALUES ('email')")
    execute(database, f"UPDATE channel_gates SET {gate}")

    claim = take_handed_over(
        database, "email", ids, handover.token, at_least=timedelta(0), at_most=TTL, through_parking=through
    )

    assert bool(claim.routes) == taken


def test_a_deadline_ends_what_was_handed_over(database: Database) -> None:
    """A handed-over route that nobody took is ended by its deadline once the handover is over (R3)."""
    [id_] = handed_over(database, Handover(STREAMS, LASTS)).due["email"]
    change(database, [id_], "expires_at = now() - interval '1 s'")

    assert claim_ending(database, "email", limit=10, lease_ttl=TTL).ids == []
    expire_leases(database)
    assert claim_ending(database, "email", limit=10, lease_ttl=TTL).ids == [id_]
    assert one_route(database, id_)["lease_loss_count"] == 0
