"""The checks of PostgreSQL, the schema and the work that waits there, on a real server with real faults."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import psycopg2
import pytest
import redis

from publisher.doctor.verdict import Verdict
from publisher.domain.rate_limit import parse_rate
from storage.database import Database
from storage.holds import HoldCriteria, add_hold
from storage.limits import set_limit
from tests.conftest import run_sql
from tests.factories import GROUP, INTENTS
from tests.integration.doctor.examined import Examined, amiss
from tests.integration.roles import GRANTS, plain_role
from tests.integration.rows import FINAL, change, due_routes, execute, rows

OK, WARNING, FAILED, UNKNOWN = Verdict.OK, Verdict.WARNING, Verdict.FAILED, Verdict.UNKNOWN


def test_a_database_that_is_not_migrated_has_one_failure(
    examined: Examined, create_database: Callable[[str], str]
) -> None:
    """The rest follows from it, and is unknown until it is mended: no index is said to be missing."""
    wrong = amiss(examined(DATABASE_URL=create_database("template0")))

    assert wrong.pop("schema") is FAILED
    of_intents = {"intents-replayed", "intents-lost"}
    assert set(wrong) == {
        "columns",
        "indexes",
        "constraints",
        "notifications-of-routes",
        "due-routes",
        "answers",
        "leases",
        "gates",
        "channels",
        "loss-audit",
        *of_intents,
    }
    assert set(wrong.values()) == {UNKNOWN}


def test_a_dropped_index_and_constraint_fail_their_checks(examined: Examined, database: Database) -> None:
    """Each is named, and nothing else is amiss."""
    execute(database, "DROP INDEX routes_due")
    execute(database, "ALTER TABLE routes DROP CONSTRAINT routes_published_says_when")

    found = examined()

    assert amiss(found) == {"indexes": FAILED, "constraints": FAILED}
    assert found["indexes"].finding == "routes_due is missing"
    assert found["constraints"].finding == "missing: routes_published_says_when"


def test_a_route_without_its_notification_fails_its_check(examined: Examined, database: Database) -> None:
    """No constraint keeps the notification there; the statement that the check names mends it (R10)."""
    routes = due_routes(database, 3)
    change(database, routes, FINAL["skipped"])
    change(database, routes[1:], "notification_key = 0")

    found = examined()

    assert amiss(found) == {"notifications-of-routes": FAILED}
    assert f"route {routes[1]} the first, {routes[2]} the last" in found["notifications-of-routes"].finding
    execute(database, "DELETE" + found["notifications-of-routes"].remedy.partition("DELETE")[2])
    assert amiss(examined()) == {}
    assert [row["id"] for row in rows(database, "SELECT id FROM routes")] == routes[:1]


def test_a_database_that_quotes_every_name_has_its_indexes(examined: Examined, database_url: str) -> None:
    """Its definitions read otherwise, and mean the same: no index is to be dropped and made anew."""
    name = urlsplit(database_url).path[1:]
    run_sql(database_url, f'ALTER DATABASE "{name}" SET quote_all_identifiers = on')

    assert amiss(examined()) == {}


def test_a_dropped_column_fails_its_check(examined: Examined, database: Database) -> None:
    """The migrations say that it is there, and every statement that names it is refused."""
    execute(database, "ALTER TABLE stream_audits RENAME COLUMN covered_to TO elsewhere")
    execute(database, "ALTER TABLE routes DROP COLUMN lane")

    found = examined()

    assert found["columns"].verdict is FAILED
    assert found["columns"].finding == "missing: routes.lane, stream_audits.covered_to"


def test_a_role_with_rights_to_rows_alone_has_nothing_amiss_until_one_is_missing(
    examined: Examined, database_url: str
) -> None:
    """The missing one is named, and the statement that gives it; what it keeps from being looked at is unknown."""
    with plain_role(database_url, *GRANTS) as url:
        assert amiss(examined(DATABASE_URL=url)) == {}
        run_sql(database_url, f"REVOKE INSERT ON routes FROM {urlsplit(url).username}")

        found = examined(DATABASE_URL=url)

    assert amiss(found) == {"postgresql-rights": FAILED}
    assert found["postgresql-rights"].finding == "not granted: INSERT on routes"
    assert found["postgresql-rights"].remedy == f"GRANT INSERT ON public.routes TO {urlsplit(url).username}"


def test_a_role_that_may_not_connect_is_told_which_right_it_lacks(examined: Examined, database_url: str) -> None:
    """Nothing else can be looked at then."""
    closed = 'REVOKE CONNECT ON DATABASE "{database}" FROM PUBLIC'
    with plain_role(database_url, closed, *(grant for grant in GRANTS if "CONNECT" not in grant)) as url:
        found = examined(DATABASE_URL=url)

    assert found["postgresql"].verdict is FAILED
    assert "permission denied for database" in found["postgresql"].finding
    assert "CONNECT" in found["postgresql"].finding


def test_a_postgresql_that_takes_no_write_fails_its_check(
    examined: Examined, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    """Whatever the reason: here it is not done in time."""
    monkeypatch.setattr("storage.health._TRIAL_ROWS", 10**9)

    found = examined(statement=timedelta(milliseconds=300))

    assert amiss(found) == {"postgresql-writes": FAILED}
    assert found["postgresql-writes"].finding.startswith("it took no write: PostgreSQL is busy")


def test_work_that_nobody_does_is_a_warning(examined: Examined, database: Database, redis_client: redis.Redis) -> None:
    """Routes due for an hour, leases long over, intents of an hour ago that nobody reads."""
    orphan = due_routes(database, 2)[1:]
    change(database, orphan, "lease_token = 'x', lease_expires_at = now() - interval '3 minutes'")
    redis_client.xgroup_create(INTENTS, GROUP, "0", mkstream=True)
    hour_ago = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1000)
    redis_client.xadd(INTENTS, {"a": "b"}, id=f"{hour_ago}-0")

    found = examined()

    assert amiss(found) == {"due-routes": WARNING, "leases": WARNING}
    assert found["leases"].finding.startswith("email: 1 leases over for up to 3 min")
    assert found["intents-group"].finding.startswith("1 unread, the first sent 1 h")


def test_a_lease_is_orphaned_after_three_leases(examined: Examined, database: Database) -> None:
    """What was over a moment ago may be taken over any moment now (R5)."""
    change(database, due_routes(database, 1), "lease_token = 'x', lease_expires_at = now() - interval '80 seconds'")

    assert examined()["leases"].verdict is OK
    assert examined(PUBLISHER_ROUTE_LEASE_TTL="20")["leases"].verdict is WARNING


def test_a_paused_channel_is_told_and_its_backlog_is_not(examined: Examined, database: Database) -> None:
    """It waits because somebody said so."""
    due_routes(database, 1)
    execute(
        database,
        "INSERT INTO channel_gates (channel, paused_at, paused_by, pause_reason)"
        " VALUES ('email', now(), 'ann', 'the mail server moves')",
    )

    found = examined()

    assert amiss(found) == {"gates": WARNING}
    assert "paused by ann: the mail server moves" in found["gates"].finding


def test_what_a_hold_keeps_back_is_no_workers_fault(examined: Examined, database: Database) -> None:
    """The hold is told, with its reason and its end; a hold on another channel explains nothing (R29)."""
    due_routes(database, 1)
    add_hold(database, HoldCriteria(producer="game-service"), "a wrong price", "ann")

    found = examined()

    assert amiss(found) == {"gates": WARNING}
    assert found["gates"].finding == "hold 1 on producer game-service, by ann: a wrong price"
    assert found["gates"].remedy.endswith("publisher holds remove 1")
    execute(database, "UPDATE holds SET channel = 'push'")
    assert amiss(examined()) == {"gates": WARNING, "due-routes": WARNING}


def test_what_a_rate_limit_keeps_waiting_is_no_workers_fault(examined: Examined, database: Database) -> None:
    """The limit is named as the reason, if workers use it up: here one that lets too few go to tell (R30)."""
    due_routes(database, 1)
    set_limit(database, "email", parse_rate("20/m"), "ann")

    slow = examined()
    set_limit(database, "email", parse_rate("1000/s"), "ann")
    unused = examined()

    assert amiss(slow) == amiss(unused) == {"due-routes": WARNING}
    assert "for its rate limit of 20/m burst 2" in slow["due-routes"].finding
    assert "channels limit email" in slow["due-routes"].remedy
    assert slow["gates"].finding.endswith("; limited: email at 20/m burst 2")
    assert "are workers running" in unused["due-routes"].remedy


def test_open_routes_of_an_unknown_channel_fail_the_check(examined: Examined, database: Database) -> None:
    """They are due, too, and nobody will come (R24)."""
    change(database, due_routes(database, 1), "channel = 'sms'")

    found = examined()

    assert found["channels"].verdict is FAILED
    assert "sms" in found["channels"].finding


def test_a_session_left_in_its_transaction_for_long_is_a_warning(
    examined: Examined, database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pid is in the remedy."""
    monkeypatch.setattr("publisher.doctor.checks.postgresql._LONG", timedelta(0))
    with closing(psycopg2.connect(database_url)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
        found = examined()

    assert amiss(found) == {"transactions": WARNING}
    assert f"pg_terminate_backend({pid})" in found["transactions"].remedy
    assert rows(database, "SELECT 1 AS one") == [{"one": 1}]
