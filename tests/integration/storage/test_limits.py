"""Rate limits as operators set them, and the claims that learn of them (R30)."""

from datetime import timedelta

import pytest

from publisher.domain.rate_limit import RateLimit
from storage import limits
from storage.accepting.intents import accept_new
from storage.claiming import claims
from storage.claiming.handover import Handover
from storage.database import Database
from storage.group_keys import GROUP_KEY
from tests.factories import CHANNELS, incoming
from tests.integration.rows import FINAL, all_routes, change, due_routes

LIMIT = RateLimit(14.0, 28)
TTL = timedelta(seconds=30)


def claim(database: Database, setting: RateLimit | None = None, *, hoped: bool = False) -> claims.Claim:
    return claims.claim_due(database, "email", limit=2, lease_ttl=TTL, setting=setting, hoped=hoped)


def test_a_limit_is_kept_as_it_is_set(database: Database) -> None:
    """With who set it and when; one that stands already changes nothing, and one that is taken away is gone."""
    assert limits.set_limit(database, "email", LIMIT, "ann")
    assert limits.set_limit(database, "push", None, "bob")
    assert not limits.set_limit(database, "email", LIMIT, "bob")
    assert not limits.set_limit(database, "push", None, "ann")

    found = limits.read_limits(database)

    assert {name: (set_.limit, set_.by) for name, set_ in found.items()} == {
        "email": (LIMIT, "ann"),
        "push": (None, "bob"),
    }
    assert limits.clear_limit(database, "email")
    assert not limits.clear_limit(database, "email")
    assert limits.read_limits(database).keys() == {"push"}


@pytest.mark.parametrize("rate", [10000 / 3600, 0.01 / 3600, 1e6, 1 / 3])
def test_a_rate_keeps_its_digits(database: Database, rate: float) -> None:
    """A limit that was set is the one that is read, to the last bit."""
    limits.set_limit(database, "email", RateLimit(rate, 3), "ann")

    assert limits.read_limits(database)["email"].limit == RateLimit(rate, 3)
    assert claim(database).limit == RateLimit(rate, 3)


@pytest.mark.parametrize(
    ("is_set", "limit", "setting", "holds"),
    [
        (False, None, None, None),
        (False, None, LIMIT, LIMIT),
        (True, RateLimit(1.0, 1), LIMIT, RateLimit(1.0, 1)),
        (True, LIMIT, None, LIMIT),
        (True, None, LIMIT, None),
    ],
)
def test_a_claim_takes_nothing_of_a_limited_channel(
    database: Database, is_set: bool, limit: RateLimit | None, setting: RateLimit | None, holds: RateLimit | None
) -> None:
    """Whatever limits the channel, an operator or the settings: it tells the limit, so that the worker can ask it."""
    due_routes(database, 2)
    if is_set:
        limits.set_limit(database, "email", limit, "ann")

    found = claim(database, setting)

    assert found.limit == holds
    assert len(found.routes) == (2 if holds is None else 0)
    assert not (holds and found.more)


def test_a_claim_within_the_limit_takes_routes(database: Database) -> None:
    """And tells the limit that holds at that moment, which the append is given."""
    due_routes(database, 3)
    limits.set_limit(database, "email", LIMIT, "ann")

    found = claim(database, RateLimit(1.0, 1), hoped=True)

    assert (len(found.routes), found.limit, found.more) == (2, LIMIT, True)


def test_named_routes_of_a_limited_channel_are_not_claimed(database: Database) -> None:
    """Neither by their ids, nor as handed over (R14)."""
    ids = due_routes(database, 2)
    limits.set_limit(database, "email", LIMIT, "ann")

    named = claims.claim_these(database, "email", ids, lease_ttl=TTL)
    handed_over = claims.take_handed_over(
        database, "email", ids, "handover:1", at_least=timedelta(0), at_most=TTL, setting=None
    )

    assert [(found.limit, list(found.routes)) for found in (named, handed_over)] == [(LIMIT, [])] * 2


@pytest.mark.parametrize(("limit", "leased"), [(LIMIT, False), (None, True)])
def test_new_routes_of_a_limited_channel_are_not_handed_over(
    database: Database, limit: RateLimit | None, leased: bool
) -> None:
    """They would only wait under a lease; an operator who wants no limit changes nothing for them."""
    limits.set_limit(database, "email", limit, "ann")
    handover = Handover({name: channel.stream for name, channel in CHANNELS.items()}, TTL)

    accept_new(database, [incoming("1-1")], handover)

    assert {row["channel"]: row["lease_token"] is not None for row in all_routes(database)} == {
        "email": leased,
        "push": True,
    }


@pytest.mark.parametrize(
    ("assignments", "shared"),
    [
        ("lane = 'bulk'", True),
        ("lane = 'urgent'", True),
        ("producer = 'shop'", True),
        ("notification_type = 'game.reminder'", True),
        ("recipient_ref = 'user:77'", False),
        ("channel = 'push', producer = 'shop'", False),
    ],
)
def test_a_limit_is_shared_by_routes_of_several_groups(database: Database, assignments: str, shared: bool) -> None:
    """A further lane, producer or type of the same channel shares it, and nothing else does (R31)."""
    ids = due_routes(database, 3)
    assert not limits.limit_is_shared(database, "email")

    change(database, ids[:1], assignments)
    change(database, ids[:1], f"group_key = {GROUP_KEY}")

    assert limits.limit_is_shared(database, "email") == shared
    change(database, ids[:1], FINAL["skipped"])
    assert not limits.limit_is_shared(database, "email")


def test_a_route_without_its_group_may_be_of_any(database: Database) -> None:
    """An earlier release inserted it: nobody knows with whom it shares the limit."""
    change(database, due_routes(database, 3)[:1], "group_key = NULL")

    assert limits.limit_is_shared(database, "email")
