"""Until when a route's witness is sure to live, and where a route's command may stand: kept with the route (R12a)."""

from datetime import timedelta

import redis

from publisher.channels.email import EMAIL
from publisher.domain.attempt import Published
from publisher.domain.timeouts import witness_after_lease
from publisher.streams.keys import witness_key
from publisher.streams.outbound import OutboundStreams
from storage.claiming.claims import claim_due, claim_these
from storage.claiming.leases import release
from storage.database import Database
from storage.outcomes.outcomes import complete
from tests.integration.publishers import publisher
from tests.integration.rows import change, due_routes, expire_leases, one_route, rows

TTL = timedelta(seconds=30)
HOUR = timedelta(hours=1)


def test_a_witness_is_sure_to_live_for_a_window_from_the_claim() -> None:
    """With a lease of 30 seconds and a window of an hour: an hour from the claim, less what clocks may run apart."""
    assert witness_after_lease(HOUR, TTL) == timedelta(seconds=3600 - 3.6 - 30)


def test_a_published_route_knows_until_when_its_witness_lives(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """The witness of a published command lives longer than its route says, and not much (R12a)."""
    [id_] = due_routes(database, 1)
    publisher(database, streams).publish_due("email")

    route = one_route(database, id_)
    left = rows(database, "SELECT witness_until - now() AS left FROM routes")[0]["left"]
    key = witness_key(EMAIL.stream, f"{route['notification_id']}/{route['route_id']}")
    lives = timedelta(milliseconds=redis_client.pttl(key))
    assert left < lives < left + timedelta(minutes=1)
    assert route["stream"] == EMAIL.stream


def test_a_late_record_makes_no_witness_live_longer(database: Database) -> None:
    """A worker that was paused for an hour between append and record says of a witness what was true of it (R12a)."""
    due_routes(database, 1)
    claimed = claim_due(database, "email", limit=1, lease_ttl=TTL)
    change(database, claimed.ids, "lease_expires_at = now() - interval '1 hour'")

    complete(database, claimed.token, [Published(claimed.routes[0].route, "1-0")], timedelta(minutes=59))

    assert rows(database, "SELECT witness_until < now() AS gone FROM routes") == [{"gone": True}]


def test_a_command_without_a_witness_says_so(database: Database) -> None:
    """Where the witness could not be set, it is not looked for: as of now there is none (R12a)."""
    [with_, without] = due_routes(database, 2)
    claimed = claim_due(database, "email", limit=2, lease_ttl=TTL)
    first, second = (c.route for c in claimed.routes)

    complete(database, claimed.token, [Published(first, "1-0"), Published(second, "2-0", witnessed=False)], HOUR)

    assert one_route(database, without)["witness_until"] == one_route(database, without)["published_at"]
    assert one_route(database, with_)["witness_until"] > one_route(database, with_)["published_at"] + HOUR


def test_a_claim_keeps_the_stream_of_the_first_attempt(database: Database) -> None:
    """A route claimed under another name of its stream still says where an earlier attempt went (R12)."""
    [id_] = due_routes(database, 1)
    [first] = claim_due(database, "email", limit=1, lease_ttl=TTL, stream="old").routes
    expire_leases(database)

    [second] = claim_these(database, "email", [id_], lease_ttl=TTL, stream="new").routes

    assert (first.route.stream, second.route.stream) == ("old", "old")
    assert one_route(database, id_)["stream"] == "old"


def test_a_lease_given_back_keeps_the_stream(database: Database) -> None:
    """Whether its worker had begun to append is not known: the stream stays (R5, R12)."""
    [id_] = due_routes(database, 1)
    claimed = claim_due(database, "email", limit=1, lease_ttl=TTL, stream="old")

    release(database, claimed.token, claimed.ids)

    assert one_route(database, id_)["stream"] == "old"
