"""Backlogs: how long the first due route of a channel has waited, and which leases are orphaned."""

from datetime import timedelta

import pytest

from publisher.domain.errors import SchemaOutdated
from storage import health
from storage.claiming.claims import claim_due
from storage.counts import backlogs
from storage.counts.backlogs import Backlog, read_backlogs
from storage.database import Database
from storage.schema import catalogue
from tests.integration.rows import change, due_routes, execute, rows

HOUR = timedelta(hours=1)
TTL = timedelta(seconds=30)


def test_without_open_routes_there_is_no_backlog(database: Database) -> None:
    """Final routes are none, however many there are."""
    assert read_backlogs(database, over=HOUR) == []
    change(database, due_routes(database, 3), "status = 'skipped', next_attempt_at = NULL")

    assert read_backlogs(database, over=HOUR) == []


def test_a_backlog_says_how_long_the_first_free_route_has_been_due(database: Database) -> None:
    """By channel, those that no installed channel serves among them; a route under a lease is being worked on."""
    email, push = due_routes(database, 2), due_routes(database, 1, "push")
    change(database, push, "channel = 'sms'")
    claim_due(database, "email", limit=1, lease_ttl=TTL)
    change(database, email[1:], "next_attempt_at = date_trunc('milliseconds', now()) - interval '10 minutes'")

    first, second = read_backlogs(database, over=HOUR)

    assert (first.channel, second.channel) == ("email", "sms")
    assert first.oldest_due is not None
    assert timedelta(minutes=10) <= first.oldest_due < timedelta(minutes=11)
    assert second.oldest_due is not None
    assert timedelta(minutes=59) <= second.oldest_due <= timedelta(minutes=61)


def test_a_route_that_is_due_later_waits_for_nobody(database: Database) -> None:
    """Its channel is there all the same: somebody must serve it."""
    change(database, due_routes(database, 1), "next_attempt_at = now() + interval '1 hour'")

    assert read_backlogs(database, over=HOUR) == [Backlog("email", None, 0, None)]


def test_leases_that_were_over_long_ago_are_orphaned(database: Database) -> None:
    """Not those that are held, nor those that were over a moment ago (R5)."""
    due_routes(database, 4)
    held = [route.route.id for route in claim_due(database, "email", limit=4, lease_ttl=TTL).routes]
    change(database, held[:2], "lease_expires_at = now() - interval '2 hours'")
    change(database, held[2:3], "lease_expires_at = now() - interval '1 minute'")

    [found] = read_backlogs(database, over=HOUR)

    assert found.orphaned == 2
    assert found.longest_over is not None
    assert timedelta(hours=2) <= found.longest_over < timedelta(hours=2, minutes=1)


def test_final_routes_are_never_looked_at(database: Database) -> None:
    """The plan reads the index of open routes, and never the table (cheap with ten million final routes)."""
    [route] = due_routes(database, 1)
    execute(
        database,
        "INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, created_at,"
        " updated_at, published_at) SELECT notification_key, 'email:user:old' || n, channel, 'published', 1, 'user:7',"
        " now(), now(), now() FROM routes, generate_series(1, 20000) AS n WHERE id = %s",
        route,
    )
    execute(database, "ANALYZE routes")

    plan = rows(database, "EXPLAIN ANALYZE " + backlogs._BACKLOGS.replace("%(over)s", "%s"), HOUR, HOUR)

    scans = [row["QUERY PLAN"] for row in plan if "Scan" in row["QUERY PLAN"] and " routes" in row["QUERY PLAN"]]
    assert len(scans) == 3, scans
    assert all("routes_due" in scan or "Bitmap Heap Scan" in scan for scan in scans), scans


def test_on_a_schema_that_is_missing_the_backlog_says_so(database: Database) -> None:
    """The check is unknown then, and the remedy is a migration."""
    execute(database, "ALTER TABLE routes RENAME TO others")

    with pytest.raises(SchemaOutdated):
        read_backlogs(database, over=HOUR)
    assert "routes" not in {table.name for table in health.tables(database)}
    assert "routes_due" not in {index.name for index in catalogue.found_indexes(database)}
