"""Claiming: which routes a worker may attempt now (R4, R5, R10)."""

from datetime import UTC, datetime, timedelta

import pytest

from publisher.domain.notification import RouteStatus
from storage.claiming.claims import Claim, claim_due, claim_these
from storage.claiming.leases import release
from storage.database import Database
from tests.conftest import connected
from tests.factories import CHANNELS, INSTANT, accepted, notification, route
from tests.integration.rows import (
    FINAL,
    all_routes,
    bury_something,
    change,
    due_routes,
    execute,
    expire_leases,
    one_route,
    rows,
)

TTL = timedelta(seconds=30)
LEASED = "lease_token = 'someone', lease_expires_at = now() + interval '1 minute'"


def claim(database: Database, limit: int = 10, channel: str = "email") -> Claim:
    return claim_due(database, channel, limit=limit, lease_ttl=TTL)


def clock(database: Database) -> datetime:
    return rows(database, "SELECT date_trunc('milliseconds', clock_timestamp()) AS now")[0]["now"]


def test_a_due_route_is_leased(database: Database) -> None:
    """A claim puts its token on a due route, and an expiry counted from the database's clock (R5)."""
    [due] = due_routes(database, 1)
    before = clock(database)

    claimed = claim(database)

    leased = one_route(database, due)
    assert claimed.ids == [due]
    assert leased["lease_token"] == claimed.token
    assert before + TTL <= leased["lease_expires_at"] <= clock(database) + TTL
    assert (leased["status"], leased["attempt_count"], leased["lease_loss_count"]) == ("pending", 0, 0)


def test_each_claim_has_a_token_of_its_own(database: Database) -> None:
    """No two claims share a token (R5)."""
    due_routes(database, 3)

    tokens = {claim(database, limit=1).token for _ in range(3)}

    assert len(tokens) == 3


def test_an_accepted_route_is_due_at_once(database: Database) -> None:
    """A route can be claimed as soon as its notification is accepted (R4)."""
    due = accepted(database).due

    assert claim(database).ids == due["email"]
    assert claim(database, channel="push").ids == due["push"]


def test_a_claim_brings_the_route_and_its_notification(database: Database) -> None:
    """A claimed route comes with all that its command needs, the payload's text as the producer wrote it (R6)."""
    text = '{ "turn":1.0e2,"b" : 1, "a":"\\u00e9é" }'
    fields = {"idempotency_key": "turn-17", "payload_json": text, "request_id": "r-1", "trace_id": "t-1"}
    [key] = accepted(database, [{**fields, "channels_json": ["email"]}]).due["email"]

    [claimed] = claim(database).routes

    stored = claimed.notification
    assert stored is not None
    assert stored == notification(
        notification_id=claimed.route.notification_id,
        payload=text,
        request_id="r-1",
        trace_id="t-1",
        occurred_at=INSTANT,
        accepted_at=stored.accepted_at,
    )
    assert stored.accepted_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - stored.accepted_at) < timedelta(minutes=1)
    assert claimed.route == route(
        id=key, notification_id=stored.notification_id, max_attempts=CHANNELS["email"].max_attempts
    )


def test_a_failed_route_that_is_due_is_claimed(database: Database) -> None:
    """A failed route is claimed again once its next attempt is due (R4)."""
    routes = due_routes(database, 1)
    change(database, routes, "status = 'failed', attempt_count = 3")

    [claimed] = claim(database).routes

    assert (claimed.route.status, claimed.route.attempt_count) == (RouteStatus.FAILED, 3)


@pytest.mark.parametrize(
    "state",
    [
        "next_attempt_at = now() + interval '1 second'",
        "status = 'failed', next_attempt_at = now() + interval '1 day'",
        LEASED,
        *FINAL.values(),
        "channel = 'push'",
    ],
)
def test_only_what_is_open_due_free_and_of_the_channel_is_claimed(database: Database, state: str) -> None:
    """A route that is not due, final, leased by another, or of another channel is left as it is (R4, R5)."""
    bury_something(database)
    due, other = due_routes(database, 2)
    change(database, [other], state)
    before = one_route(database, other)

    of_scan, of_message = claim(database), claim_these(database, "email", [other], lease_ttl=TTL)

    assert of_scan.ids == [due]
    assert of_message.ids == []
    assert one_route(database, other) == before


def test_an_expired_lease_is_free(database: Database) -> None:
    """A lease that has expired is free for the next claim; there is no reaper (R5)."""
    routes = due_routes(database, 1)
    first = claim(database)
    expire_leases(database)

    second = claim(database)

    assert second.ids == routes
    assert {row["lease_token"] for row in all_routes(database)} == {second.token} != {first.token}


def test_those_due_longest_come_first(database: Database) -> None:
    """A claim takes the routes that have been due longest, and of equals the older one (R5)."""
    a, b, c, d = due_routes(database, 4)
    change(database, [d], "next_attempt_at = now() - interval '2 hours'")
    change(database, [b, c], "next_attempt_at = now() - interval '90 minutes'")

    claims = [claim(database, limit=1).ids for _ in range(4)]

    assert claims == [[d], [b], [c], [a]]


def test_a_claim_takes_at_most_its_limit(database: Database) -> None:
    """A claim stops at its limit and says that there may be more; the last one says that there is none."""
    routes = due_routes(database, 5)

    first, second, third = (claim(database, limit=2) for _ in range(3))

    assert [first.ids, second.ids, third.ids] == [routes[:2], routes[2:4], routes[4:]]
    assert [first.more, second.more, third.more] == [True, True, False]


def test_a_claim_may_begin_behind_the_last_one(database: Database) -> None:
    """A claim that begins at a place leaves out what is due before it, and says to look again from the beginning."""
    routes = due_routes(database, 5)
    change(database, [routes[1]], f"next_attempt_at = (SELECT next_attempt_at FROM routes WHERE id = {routes[2]})")
    first = claim(database, limit=2)
    release(database, first.token, first.ids)

    behind = claim_due(database, "email", limit=10, lease_ttl=TTL, after=first.last)
    from_the_beginning = claim(database)

    assert first.ids == routes[:2]
    assert (behind.ids, behind.more) == (routes[2:], True)
    assert (from_the_beginning.ids, from_the_beginning.more) == (routes[:2], False)


@pytest.mark.parametrize(("limit", "suspects"), [(4, 0), (3, 1)], ids=["not full", "kept apart"])
def test_a_claim_that_left_nothing_or_too_much_has_no_last_place(database: Database, limit: int, suspects: int) -> None:
    """Only a full claim that took all that it saw says where the next one may begin (R5a)."""
    routes = due_routes(database, 3)
    change(database, routes[-suspects:] if suspects else [], "lease_loss_count = 1")

    assert claim(database, limit=limit).last is None


def test_a_claim_with_nothing_due_is_empty(database: Database) -> None:
    """With nothing due a claim is empty, and there is no need to look again."""
    empty = claim(database)

    assert (list(empty.routes), empty.more) == ([], False)


def test_a_route_that_someone_is_taking_is_passed_over(database: Database, database_url: str) -> None:
    """A claim does not wait for a route that another transaction holds; it takes the next (R5)."""
    held, *others = due_routes(database, 3)

    with connected(database_url) as other, other.cursor() as cursor:
        cursor.execute("BEGIN; SELECT id FROM routes WHERE id = %s FOR UPDATE", [held])
        of_message = claim_these(database, "email", [held], lease_ttl=TTL)
        of_scan = claim(database)

    assert of_message.ids == []
    assert of_scan.ids == others


def test_these_routes_are_claimed_and_no_others(database: Database) -> None:
    """A message's routes are claimed, in the order in which they are due, and unknown keys end quietly (R4)."""
    a, _, c = due_routes(database, 3)

    claimed = claim_these(database, "email", [c, 2**62, a, c, -1], lease_ttl=TTL)

    assert claimed.ids == [a, c]
    assert not claimed.more


def test_a_claim_of_no_routes_asks_nothing(database: Database) -> None:
    """A message with no routes in it claims nothing."""
    due_routes(database, 1)

    nothing = claim_these(database, "email", [], lease_ttl=TTL)

    assert (nothing.ids, nothing.more) == ([], False)
    assert all_routes(database)[0]["lease_token"] is None


def test_a_claim_touches_the_route_to_the_millisecond(database: Database) -> None:
    """A claim says when it touched the route, in whole milliseconds (R2)."""
    [due] = due_routes(database, 1)
    change(database, [due], "updated_at = now() - interval '1 hour'")
    before = clock(database)

    claim(database)

    leased = one_route(database, due)
    assert before <= leased["updated_at"] <= clock(database)
    assert leased["updated_at"].microsecond % 1000 == leased["lease_expires_at"].microsecond % 1000 == 0


def test_a_route_without_its_notification_is_claimed_as_such(database: Database) -> None:
    """In a damaged database a route whose notification is missing is claimed without one, and seen (R10)."""
    routes = due_routes(database, 1)
    execute(database, "DELETE FROM notifications")

    claimed = claim(database)

    assert claimed.ids == routes
    assert claimed.routes[0].notification is None
