"""Routes whose leases run out: counted, and kept apart from their neighbours (R5a)."""

from datetime import timedelta

import pytest

from publisher.domain.attempt import LEASE_LOSS_LIMIT, Published, after_lost_leases
from storage.claiming.claims import Claim, claim_due, claim_these
from storage.database import Database
from storage.outcomes.outcomes import complete
from tests.conftest import connected
from tests.integration.rows import all_routes, change, due_routes, expire_leases, one_route

TTL = timedelta(seconds=30)


def claim(database: Database, limit: int = 16) -> Claim:
    return claim_due(database, "email", limit=limit, lease_ttl=TTL)


def publish(database: Database, claimed: Claim) -> None:
    complete(database, claimed.token, [Published(c.route, "1-0") for c in claimed.routes])


def test_each_lost_lease_is_counted(database: Database) -> None:
    """Every lease that expired without an outcome adds one to the route's count (R5a)."""
    [route] = due_routes(database, 1)

    counts = []
    for _ in range(6):
        [claimed] = claim(database).routes
        counts.append((claimed.route.lease_loss_count, one_route(database, route)["lease_loss_count"]))
        expire_leases(database)

    assert counts == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]


def test_a_loss_is_counted_however_the_route_is_claimed(database: Database) -> None:
    """A message's claim counts a lost lease as a scan's does (R5a)."""
    [route] = due_routes(database, 1)
    claim(database)
    expire_leases(database)

    [claimed] = claim_these(database, "email", [route], lease_ttl=TTL).routes

    assert claimed.route.lease_loss_count == 1


def test_an_outcome_resets_the_count(database: Database) -> None:
    """Any recorded outcome ends the row of losses (R5a)."""
    [route] = due_routes(database, 1)
    claim(database)
    expire_leases(database)

    publish(database, claim(database))

    assert one_route(database, route)["lease_loss_count"] == 0


def test_suspects_come_back_in_small_batches(database: Database) -> None:
    """After each loss a claim takes an eighth as many, and from the third loss one alone (R5a)."""
    due_routes(database, 128)

    sizes = []
    for _ in range(5):
        sizes.append(len(claim(database, limit=128).ids))
        expire_leases(database)

    assert sizes == [128, 16, 2, 1, 1]


def test_a_suspect_takes_no_fresh_route_along(database: Database) -> None:
    """A route that lost a lease is claimed without those that lost none, and the claim says to look again (R5a)."""
    suspect, *fresh = due_routes(database, 4)
    change(database, [suspect], "lease_loss_count = 1")

    apart, rest = claim(database), claim(database)

    assert (apart.ids, apart.more) == ([suspect], True)
    assert (rest.ids, rest.more) == (fresh, False)


def test_a_message_keeps_suspects_apart_too(database: Database) -> None:
    """The routes of one message are isolated as those of a scan, and the claim says to look again (R5a)."""
    fresh, suspect = due_routes(database, 2)
    change(database, [suspect], "lease_loss_count = 3")

    claimed = claim_these(database, "email", [fresh, suspect], lease_ttl=TTL)

    assert (claimed.ids, claimed.more) == ([suspect], True)


def test_a_suspect_held_by_another_worker_delays_no_one(database: Database, database_url: str) -> None:
    """While one worker tries the suspect, the others go on with the rest (R5, R5a)."""
    suspect, *fresh = due_routes(database, 3)
    change(database, [suspect], "lease_loss_count = 4")

    with connected(database_url) as other, other.cursor() as cursor:
        cursor.execute("BEGIN; SELECT id FROM routes WHERE id = %s FOR UPDATE", [suspect])
        beside_a_lock = claim(database, limit=1)
    claim(database)
    beside_a_lease = claim(database)

    assert beside_a_lock.ids == fresh[:1]
    assert beside_a_lease.ids == fresh[1:]


@pytest.mark.parametrize("place", [0, 40, 63])
def test_a_route_that_kills_its_workers_takes_no_neighbour_along(database: Database, place: int) -> None:
    """A worker dies whenever a certain route is in its batch: that one is given up, all others are published (R5a)."""
    routes = due_routes(database, 64)
    poison = routes[place]
    lost: dict[int, int] = {}

    while (claimed := claim(database, limit=64)).ids:
        lost |= {c.route.id: c.route.lease_loss_count for c in claimed.routes}
        if poison not in claimed.ids:
            publish(database, claimed)
        elif lost[poison] < LEASE_LOSS_LIMIT:
            expire_leases(database)
        else:
            dead = [d for c in claimed.routes if (d := after_lost_leases(c.route))]
            complete(database, claimed.token, dead)

    statuses = {row["id"]: row["status"] for row in all_routes(database)}
    assert statuses == dict.fromkeys(routes, "published") | {poison: "dead_letter"}
    assert lost.pop(poison) == LEASE_LOSS_LIMIT
    assert max(lost.values()) <= 2
