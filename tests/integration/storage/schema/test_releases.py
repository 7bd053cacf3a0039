"""Giving leases back: guarded by the token, counting nothing (R5)."""

from datetime import timedelta

from publisher.domain.attempt import Published
from storage.claiming.claims import Claim, claim_due, claim_these
from storage.claiming.leases import release
from storage.database import Database
from storage.outcomes.outcomes import complete
from tests.integration.rows import all_routes, due_routes, expire_leases, one_route

TTL = timedelta(seconds=30)


def claim(database: Database) -> Claim:
    return claim_due(database, "email", limit=10, lease_ttl=TTL)


def test_a_released_route_is_free_at_once(database: Database) -> None:
    """What is given back can be claimed again at once, and no attempt or loss is counted (R5, R5a)."""
    routes = due_routes(database, 2)
    held = claim(database)

    given_back = release(database, held.token, held.ids)

    assert sorted(given_back) == routes
    assert {
        (r["lease_token"], r["lease_expires_at"], r["attempt_count"], r["lease_loss_count"])
        for r in all_routes(database)
    } == {(None, None, 0, 0)}
    assert claim(database).ids == routes


def test_only_what_is_named_is_released(database: Database) -> None:
    """Of a batch, only the routes named are given back (R5)."""
    first, second = due_routes(database, 2)
    held = claim(database)

    assert release(database, held.token, [second]) == [second]

    assert one_route(database, first)["lease_token"] == held.token


def test_another_token_releases_nothing(database: Database) -> None:
    """A lease is given back by its own token alone: a late worker does not free what another holds now (R5)."""
    [route] = due_routes(database, 1)
    late = claim(database)
    expire_leases(database)
    now = claim(database)

    assert release(database, late.token, [route]) == []

    assert one_route(database, route)["lease_token"] == now.token


def test_a_route_with_an_outcome_is_not_released(database: Database) -> None:
    """Giving back a route whose outcome is recorded changes nothing (R5, R8)."""
    [route] = due_routes(database, 1)
    held = claim(database)
    complete(database, held.token, [Published(held.routes[0].route, "1-0")])
    before = one_route(database, route)

    assert release(database, held.token, [route]) == []

    assert one_route(database, route) == before


def test_releasing_nothing_releases_nothing(database: Database) -> None:
    """With no routes named, every lease stays (R5)."""
    routes = due_routes(database, 1)
    held = claim(database)

    assert release(database, held.token, []) == []

    assert one_route(database, routes[0])["lease_token"] == held.token


def test_a_released_route_keeps_its_count_of_losses(database: Database) -> None:
    """Losses are counted until an outcome: a lease given back in time does not reset them (R5a)."""
    [route] = due_routes(database, 1)
    claim(database)
    expire_leases(database)
    held = claim(database)

    release(database, held.token, [route])

    [claimed] = claim_these(database, "email", [route], lease_ttl=TTL).routes
    assert claimed.route.lease_loss_count == 1
