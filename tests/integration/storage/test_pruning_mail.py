"""Prunings and the mail service: what it has still to send is kept, and a route that goes stops no mail (R33)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from storage.database import Database
from storage.mail.deliveries import Wanted, begin_mail
from storage.retention import _MAIL, _NOTIFICATIONS, ROUTES, prune_mail, prune_notifications
from tests.conftest import connected
from tests.integration.answered_routes import mail
from tests.integration.old_notifications import DAYS, ended, kept
from tests.integration.rows import all_routes, count, execute, rows
from tests.waiting import wait_until

PRUNE = {"kept": DAYS, "limit": ROUTES, "after": 0}
BLOCKED = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def begin(database: Database, deliveries: Sequence[str]) -> set[str]:
    """Begins these deliveries. Returns those that were begun."""
    begun, _ = begin_mail(
        database, [Wanted(each, "1-0") for each in deliveries], "mine", timedelta(seconds=30), take_over=True
    )
    return set(begun)


@pytest.mark.parametrize("state", ["begun", "waiting", "held"])
def test_mail_that_is_not_over_keeps_its_notification(database: Database, state: str) -> None:
    """It would be lost with its route. Once it is over, both go (R33)."""
    [waits] = ended(database)
    mail(database, all_routes(database)[0]["id"], state)
    ended(database)

    assert prune_notifications(database, DAYS).notifications == 1
    assert kept(database) == {waits}
    assert (len(all_routes(database)), count(database, "mail_deliveries")) == (2, 1)

    execute(
        database,
        "UPDATE mail_deliveries SET state = 'sent', event = 'accepted', ended_at = now(), lease_token = NULL,"
        " lease_expires_at = NULL, next_attempt_at = NULL, held_at = NULL, command = NULL",
    )
    assert prune_notifications(database, DAYS).notifications == 1
    assert (kept(database), count(database, "mail_deliveries")) == (set(), 0)


def test_mail_of_a_route_that_is_being_pruned_is_begun_without_it(database: Database, database_url: str) -> None:
    """The mail service waits for the pruning; no delivery of its batch is refused, and the others keep their route."""
    ended(database)
    ended(database, days=1)
    old, young = (f"{row['notification_id']}/{row['route_id']}" for row in all_routes(database)[::2])

    with connected(database_url) as pruning, pruning.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute("BEGIN")
        cursor.execute(_NOTIFICATIONS, PRUNE)
        beginning = thread.submit(begin, database, [old, young])
        wait_until(lambda: rows(database, BLOCKED))
        cursor.execute("COMMIT")

        assert beginning.result() == {old, young}

    found = rows(database, "SELECT delivery_id, route_key IS NOT NULL AS known FROM mail_deliveries")
    assert {row["delivery_id"]: row["known"] for row in found} == {old: False, young: True}


def test_a_pruning_passes_by_mail_that_is_begun_at_this_moment(database: Database, database_url: str) -> None:
    """It neither waits for the mail service nor deletes what that is about to send (R33)."""
    [old] = ended(database)
    route = all_routes(database)[0]["id"]

    with connected(database_url) as mailer, mailer.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1 FROM routes WHERE id = %s FOR KEY SHARE", [route])
        assert prune_notifications(database, DAYS).notifications == 0
        cursor.execute("ROLLBACK")

    assert kept(database) == {old}


def test_mail_that_is_over_costs_a_pruning_nothing(database: Database) -> None:
    """However many deliveries there are, a route's is found by the index mail_deliveries_of_route."""
    ended(database, 50)
    execute(
        database,
        "INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, created_at,"
        " updated_at, published_at) SELECT 1, 'email:old:' || n, 'email', 'published', 1, 'user:7', now(), now(), now()"
        " FROM generate_series(1, 20000) AS n",
    )
    execute(
        database,
        "INSERT INTO mail_deliveries (delivery_id, route_key, state, entry_id, begun_at, event, ended_at)"
        " SELECT 'd' || id, id, 'sent', '1-1', now(), 'accepted', now() FROM routes",
    )
    execute(database, "ANALYZE")

    plan = "\n".join(row[0] for row in database.rows(f"EXPLAIN {_NOTIFICATIONS}", PRUNE))

    assert "Seq Scan on mail_deliveries" not in plan, plan


@pytest.mark.parametrize("state", ["begun", "waiting", "held", "sent", "given_up"])
def test_mail_of_no_route_goes_once_it_is_over_and_old(database: Database, state: str) -> None:
    """Nothing else would ever take it away; what is still to be sent stays, however old it is (R33)."""
    is_over = state in {"sent", "given_up"}
    mail(database, None, state)
    ended(database)
    mail(database, all_routes(database)[0]["id"], "sent")

    assert prune_mail(database, timedelta(hours=2)) == 0
    assert prune_mail(database, timedelta(minutes=30)) == is_over
    assert count(database, "mail_deliveries WHERE route_key IS NULL") == (not is_over)
    assert count(database, "mail_deliveries") == 2 - is_over


def test_mail_of_no_route_is_found_by_an_index(database: Database) -> None:
    """However many deliveries have a route, they are not read."""
    ended(database, 50)
    execute(
        database,
        "INSERT INTO mail_deliveries (delivery_id, route_key, state, entry_id, begun_at, event, ended_at)"
        " SELECT 'd' || n, (SELECT min(id) FROM routes), 'sent', '1-1', now(), 'accepted', now()"
        " FROM generate_series(1, 20000) AS n",
    )
    execute(database, "ANALYZE")

    plan = "\n".join(row[0] for row in database.rows(f"EXPLAIN {_MAIL}", PRUNE))

    assert "mail_deliveries_of_route" in plan, plan
    assert "Seq Scan" not in plan
