"""Holds: what one matches is claimed by nobody, and everything else as if there were none (R29)."""

from collections.abc import Collection
from datetime import timedelta

import pytest

from storage.claiming import claims
from storage.claiming.claims import claim_due, claim_ending, claim_these, take_handed_over
from storage.claiming.due_groups import due_groups
from storage.claiming.group_claims import claim_shares
from storage.claiming.handover import Handover
from storage.database import Database
from storage.holds import HoldCriteria, add_hold, list_holds, remove_hold
from tests.factories import INTENTS, accept, accepted, incoming
from tests.integration.rows import change, execute, one_route

TTL = timedelta(seconds=30)
# The first of two routes: the other one has another type, producer and recipient.
FIRST = {
    "notification_type": "game.turn.ready",
    "producer": "game-service",
    "recipients_json": [{"user_id": "7", "email": "ann@example.com"}],
}
OTHER = {
    "notification_type": "shop.order.shipped",
    "producer": "shop",
    "recipients_json": [{"user_id": "8", "email": "bob@example.com"}],
}
MATCHING = [
    HoldCriteria(notification_type="game.turn.ready"),
    HoldCriteria(producer="game-service"),
    HoldCriteria(recipient_ref="user:7"),
    HoldCriteria(channel="email", producer="game-service"),
    HoldCriteria("email", "game.turn.ready", "game-service", "user:7"),
]
OF_OTHERS = [
    HoldCriteria(channel="push"),
    HoldCriteria(notification_type="game.turn"),
    HoldCriteria(producer="game-service", recipient_ref="user:8"),
    HoldCriteria("push", "game.turn.ready", "game-service", "user:7"),
]


def two_routes(database: Database) -> tuple[int, int]:
    """The keys of the two routes, due on email."""
    intents = [{**FIRST, "channels_json": ["email"]}, {**OTHER, "channels_json": ["email"]}]
    first, other = accepted(database, intents).due["email"]
    return first, other


def these(database: Database, ids: Collection[int]) -> list[int]:
    return claim_these(database, "email", ids, lease_ttl=TTL).ids


def by_shares(database: Database) -> list[int]:
    """What a claim by shares takes, with a token for every route."""
    found = due_groups(database, "email", tokens=100, starts={}, places={})
    quotas = {group.group: group.due for group in found.groups if group.due}
    return claim_shares(database, "email", quotas, places={}, lease_ttl=TTL)[0].ids if quotas else []


@pytest.mark.parametrize("criteria", MATCHING)
def test_what_a_hold_matches_is_not_claimed(database: Database, criteria: HoldCriteria) -> None:
    """Every way to claim passes over it, and takes the other route."""
    first, other = two_routes(database)
    add_hold(database, criteria, "a wrong price", "ann")
    before = one_route(database, first)

    plain = claim_due(database, "email", limit=10, lease_ttl=TTL)
    assert (plain.ids, plain.controlled) == ([], True)
    assert by_shares(database) == [other]
    change(database, [other], "lease_token = NULL, lease_expires_at = NULL")
    assert these(database, [first, other]) == [other]
    assert one_route(database, first) == before


@pytest.mark.parametrize("criteria", OF_OTHERS)
def test_what_a_hold_does_not_match_is_claimed(database: Database, criteria: HoldCriteria) -> None:
    """A hold touches nothing but what every criterion of it matches."""
    first, other = two_routes(database)
    add_hold(database, criteria, "a wrong price", "ann")

    assert these(database, [first]) == [first]
    change(database, [first], "lease_token = NULL, lease_expires_at = NULL")
    # A hold of another channel does not even change the way in which this one is claimed.
    plain = claim_due(database, "email", limit=10, lease_ttl=TTL)
    assert plain.controlled is (criteria.channel != "push")
    assert sorted(plain.ids or by_shares(database)) == [first, other]


@pytest.mark.parametrize("criteria", MATCHING)
def test_a_route_that_was_handed_over_is_held(database: Database, criteria: HoldCriteria) -> None:
    """A hold that is added after the handover holds: the worker that gets the message claims the other route alone."""
    handover = Handover({"email": "mail"}, timedelta(seconds=5))
    intents = [
        incoming(f"{n}-1", **fields, channels_json=["email"], idempotency_key=str(n))
        for n, fields in enumerate([FIRST, OTHER])
    ]
    first, other = accept(database, INTENTS, intents, [], handover).due["email"]
    add_hold(database, criteria, "a wrong price", "ann")

    bounds = {"at_least": timedelta(0), "at_most": TTL}
    taken = take_handed_over(database, "email", [first, other], handover.token, **bounds)
    claimed = claim_these(database, "email", [first, other], lease_ttl=TTL, handover=handover.token)

    assert (taken.ids, claimed.ids) == ([], [other])


@pytest.mark.parametrize("criteria", MATCHING)
def test_a_route_of_an_earlier_release_is_held(database: Database, criteria: HoldCriteria) -> None:
    """Such a route does not say its type and its producer: its notification does (R15)."""
    first, other = two_routes(database)
    change(database, [first, other], "notification_type = '', producer = ''")
    add_hold(database, criteria, "a wrong price", "ann")

    assert these(database, [first, other]) == [other]


def test_a_held_route_expires(database: Database) -> None:
    """A hold keeps a route from being published, and from nothing else: its deadline ends it."""
    first, _ = two_routes(database)
    change(database, [first], "expires_at = now() - interval '1 second'")
    add_hold(database, MATCHING[0], "a wrong price", "ann")

    assert claim_ending(database, "email", limit=10, lease_ttl=TTL).ids == [first]


def test_a_hold_that_was_removed_holds_no_more(database: Database) -> None:
    """Claims that begin from then on take its routes, and go the plain way again."""
    first, other = two_routes(database)
    hold = add_hold(database, MATCHING[0], "a wrong price", "ann")
    add_hold(database, HoldCriteria(producer="shop"), "a wrong price", "ann")

    assert remove_hold(database, hold.id) == hold
    assert these(database, [first]) == [first]
    assert [left.criteria.producer for left in list_holds(database)] == ["shop"]
    execute(database, "DELETE FROM holds")

    assert claim_due(database, "email", limit=10, lease_ttl=TTL).ids == [other]


def test_without_a_hold_no_route_is_compared(database: Database) -> None:
    """One look at the empty table decides for all routes of a claim."""
    first, _ = two_routes(database)
    parameters = {"channel": "email", "ids": [first], "limit": 1, "ttl": TTL, "through": False, "stream": None}
    parameters |= {"handover": None, "hoped": False, "limited": False, "token": "t"}

    plan = [line for (line,) in database.rows(f"EXPLAIN (ANALYZE, COSTS OFF) {claims._CLAIM_THESE}", parameters)]

    looks = [line for line in plan if " on holds" in line]
    assert ["never executed" in line for line in looks] == [False, True], looks


def test_a_hold_that_is_not_there_cannot_be_removed(database: Database) -> None:
    """Nothing is removed twice."""
    assert remove_hold(database, 7) is None
