"""Claims by shares: which groups there are, and which routes of them are leased (R4, R5, R31)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from publisher.domain.lanes import Lane
from publisher.domain.shares import Group
from storage import gates
from storage.claiming.claims import Claim, claim_due
from storage.claiming.due_groups import DueGroups, due_groups, fill_blank
from storage.claiming.group_claims import claim_shares
from storage.database import Database
from storage.holds import HoldCriteria, add_hold
from tests.factories import accepted
from tests.integration.rows import FINAL, bury_something, change, execute, one_route, rows

TTL = timedelta(seconds=30)
LEASED = "lease_token = 'someone', lease_expires_at = now() + interval '1 minute'"


def routes(database: Database, count: int = 1, **fields: Any) -> list[int]:
    """The keys of so many routes of one notification, due now on email, in the order in which they are due."""
    recipients = [{"user_id": str(n), "email": f"user{n}@example.com"} for n in range(count)]
    wanted: Mapping[str, Any] = {"lane": "bulk", **fields, "recipients_json": recipients, "channels_json": ["email"]}
    accepted(database, [wanted])
    found = rows(database, "SELECT id FROM routes ORDER BY id DESC LIMIT %s", count)
    ids = sorted(row["id"] for row in found)
    execute(
        database,
        "UPDATE routes SET next_attempt_at = now() - interval '1 hour' + place * interval '1 second'"
        " FROM unnest(%s::bigint[]) WITH ORDINALITY AS given (id, place) WHERE routes.id = given.id",
        ids,
    )
    return ids


def find(database: Database, tokens: int = 100, **options: Any) -> DueGroups:
    return due_groups(database, "email", **{"tokens": tokens, "starts": {}, "places": {}, **options})


def seen(found: DueGroups) -> set[tuple[str, str, str, int]]:
    return {(g.group.lane, g.group.producer, g.group.notification_type, g.due) for g in found.groups}


def share(database: Database, quotas: Mapping[Group, int]) -> Claim:
    return claim_shares(database, "email", quotas, places={}, lease_ttl=TTL)[0]


def one_group(database: Database) -> Group:
    [group] = find(database).groups
    return group.group


def test_the_groups_with_due_routes(database: Database) -> None:
    """One for each lane, producer and type, with the number of its due routes (R31)."""
    routes(database, 3, producer="a", notification_type="x", lane="urgent")
    routes(database, 2, producer="a", notification_type="y")
    routes(database, 1, producer="b", notification_type="x")
    routes(database, 4, producer="b", notification_type="x", lane="normal")

    found = find(database)

    assert seen(found) == {
        ("urgent", "a", "x", 3),
        ("bulk", "a", "y", 2),
        ("bulk", "b", "x", 1),
        ("normal", "b", "x", 4),
    }
    assert (found.controlled, found.cut, found.has_blank) == (True, {}, False)


@pytest.mark.parametrize(
    "state", ["next_attempt_at = now() + interval '1 hour'", *FINAL.values(), "channel = 'push', group_key = NULL"]
)
def test_a_group_without_a_due_route_is_left_out(database: Database, state: str) -> None:
    """Routes that are not due, not open, or of another channel make no group (R4)."""
    bury_something(database)
    change(database, routes(database, 2, producer="a"), state)
    routes(database, 1, producer="b")

    assert {group.group.producer for group in find(database).groups} == {"b"}


@pytest.mark.parametrize("state", [LEASED, "expires_at = now() - interval '1 second'"])
def test_routes_that_cannot_be_claimed_do_not_count(database: Database, state: str) -> None:
    """A route under a lease, or past its deadline, is none of those that may be claimed (R5)."""
    first, *_ = routes(database, 3)
    change(database, [first], state)

    assert [group.due for group in find(database).groups] == [2]


def test_a_group_that_a_hold_covers_is_left_out(database: Database) -> None:
    """A claim does not even look at its routes (R29)."""
    routes(database, 2, producer="a", notification_type="x")
    routes(database, 2, producer="a", notification_type="y")
    add_hold(database, HoldCriteria(notification_type="x"), "why", "ann")

    assert {group.group.notification_type for group in find(database).groups} == {"y"}


def test_without_holds_and_lanes_there_are_no_shares(database: Database) -> None:
    """What is due longest is claimed, and no group is looked for."""
    routes(database, 2, lane="normal")

    found = find(database)

    assert (found.controlled, found.groups) == (False, [])


def test_a_closed_gate_closes_every_group(database: Database) -> None:
    """Of a paused channel nothing is claimed by shares, also if it was paused after the groups were read."""
    routes(database, 2)
    group = one_group(database)
    gates.pause(database, "email", "ann", "why")

    assert find(database).groups == []
    assert share(database, {group: 2}).ids == []


def test_many_groups_are_walked_in_parts(database: Database) -> None:
    """Each part begins behind the last one, and after all parts every group was seen (R31)."""
    for n in range(100):
        accepted(database, [{"producer": f"p{n}", "lane": "bulk", "channels_json": ["email"]}])

    first = find(database, tokens=1)
    second = find(database, tokens=1, starts={Lane.BULK: first.cut[Lane.BULK].key})

    assert len(first.groups) == len(second.groups) == 64
    assert {group.group.producer for group in [*first.groups, *second.groups]} == {f"p{n}" for n in range(100)}


def test_groups_of_which_all_is_held_do_not_end_a_walk(database: Database) -> None:
    """A hold on a recipient keeps no other group waiting, however many groups it holds all due routes of (R29, R31)."""
    victim = [{"user_id": "victim", "email": "victim@example.com"}]
    for n in range(100):
        fields = {"producer": f"p{n}", "lane": "bulk", "channels_json": ["email"]}
        accepted(database, [{**fields, "recipients_json": victim}])
    routes(database, 2, producer="other")
    add_hold(database, HoldCriteria(recipient_ref="user:victim"), "why", "ann")

    found = find(database, tokens=1)

    assert (seen(found), found.cut) == ({("bulk", "other", "game.turn.ready", 2)}, {})


def test_a_group_with_many_held_routes_is_counted(database: Database) -> None:
    """Behind the routes that are compared with the holds at first, others are found (R29)."""
    ids = routes(database, 2)
    execute(
        database,
        "INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, next_attempt_at, recipient_ref,"
        " resolved_email, created_at, updated_at, producer, notification_type, lane,"
        " group_key) SELECT notification_key, 'email:user:victim' || n, channel, status, max_attempts,"
        " next_attempt_at - interval '1 day', 'user:victim', resolved_email, created_at, updated_at, producer,"
        " notification_type, lane, group_key FROM routes, generate_series(1, 500) AS n WHERE id = %s",
        ids[0],
    )
    add_hold(database, HoldCriteria(recipient_ref="user:victim"), "why", "ann")

    assert [group.due for group in find(database).groups] == [2]


def test_the_quota_of_each_group_is_leased(database: Database) -> None:
    """Those due longest first, under one token, with the time that a lease lasts (R5)."""
    a, b = routes(database, 3, producer="a"), routes(database, 3, producer="b")
    group = {g.group.producer: g.group for g in find(database).groups}

    claim, ends = claim_shares(database, "email", {group["a"]: 2, group["b"]: 5}, places={}, lease_ttl=TTL, stream="m")

    assert sorted(claim.ids) == [*a[:2], *b]
    assert {one_route(database, id_)["lease_token"] for id_ in claim.ids} == {claim.token}
    assert one_route(database, a[0])["stream"] == "m"
    assert {key: place.key for key, place in ends.items()} == {group["a"].key: a[1]}
    assert share(database, {group["a"]: 5, group["b"]: 5}).ids == a[2:]


def test_a_group_says_whether_it_has_more(database: Database) -> None:
    """Its routes are counted up to a few times what the claim may take; beyond that there may be more (R31)."""
    routes(database, 12)

    counted = [(group.due, group.is_more) for tokens in (2, 4) for group in find(database, tokens=tokens).groups]

    assert counted == [(8, True), (12, False)]


def test_a_lost_lease_is_counted_and_isolated(database: Database) -> None:
    """As by the plain claim: the routes with the most losses alone, and fewer of them with each loss (R5a)."""
    first, *_ = routes(database, 3)
    group = one_group(database)
    change(database, [first], "lease_token = 'dead', lease_expires_at = now() - interval '1 second'")

    claim = share(database, {group: 8})

    assert (claim.ids, claim.more) == ([first], True)
    assert one_route(database, first)["lease_loss_count"] == 1


def test_a_place_leaves_out_what_was_claimed_before(database: Database) -> None:
    """The next claim of a group begins behind the place where the last one ended."""
    ids = routes(database, 4)
    group = one_group(database)
    first, ends = claim_shares(database, "email", {group: 2}, places={}, lease_ttl=TTL)
    change(database, first.ids, "lease_token = NULL, lease_expires_at = NULL")

    assert [found.due for found in find(database, places=ends).groups] == [2]
    assert claim_shares(database, "email", {group: 9}, places=ends, lease_ttl=TTL)[0].ids == ids[2:]


def test_a_claim_may_leave_lanes_to_the_next_one(database: Database) -> None:
    """Where it is not to look for lanes, it takes what is due longest, and still finds a hold (R29, R31)."""
    ids = [*routes(database, 1, lane="normal"), *routes(database, 1, lane="urgent")]

    looking = claim_due(database, "email", limit=9, lease_ttl=TTL)
    passing = claim_due(database, "email", limit=9, lease_ttl=TTL, look_for_lanes=False)
    add_hold(database, HoldCriteria(producer="other"), "why", "ann")
    held = claim_due(database, "email", limit=9, lease_ttl=TTL, look_for_lanes=False)

    assert (looking.ids, looking.controlled) == ([], True)
    assert (sorted(passing.ids), passing.controlled) == (sorted(ids), False)
    assert held.controlled


def test_blank_routes_are_filled_in(database: Database) -> None:
    """Routes that an earlier release inserted get the group that their notification tells (R15)."""
    routes(database, 1, producer="b", notification_type="x")
    ids = routes(database, 4, producer="a", notification_type="x")
    change(database, ids, "group_key = NULL")
    change(database, ids[1:], "notification_type = ''")
    change(database, ids[2:3], "producer = ''")
    change(database, ids[1:2], LEASED)
    change(database, ids[3:], "channel = 'push'")

    found = find(database)
    assert (seen(found), found.has_blank) == ({("bulk", "b", "x", 1)}, True)
    assert fill_blank(database, 3) == 3
    assert fill_blank(database, 3) == 1

    assert seen(find(database)) == {("bulk", "b", "x", 1), ("bulk", "a", "x", 2)}
    assert find(database).has_blank is False


def test_routes_are_filled_in_once_they_are_due(database: Database) -> None:
    """Those that are not due yet are of no group until then: no claim waits for them (R31)."""
    change(database, routes(database, 1, lane="urgent"), "group_key = NULL, next_attempt_at = now() + interval '1 s'")

    assert (find(database).has_blank, fill_blank(database, 9)) == (False, 0)


def test_a_blank_route_without_a_notification_is_claimed(database: Database) -> None:
    """Its attempt reports the damage; it does not wait for ever (R10)."""
    ids = routes(database, 1)
    change(database, ids, "producer = '', notification_type = '', group_key = NULL, notification_key = -1")

    fill_blank(database, 9)

    [claimed] = share(database, {one_group(database): 1}).routes
    assert (claimed.route.id, claimed.notification) == (ids[0], None)
