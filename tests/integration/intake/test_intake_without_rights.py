"""Intake while PostgreSQL refuses for reasons that no intent is to blame for: waited out like an outage (R19a)."""

import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis
from structlog.testing import capture_logs

from storage.database import Database
from tests.conftest import run_sql
from tests.integration.rows import execute, rows
from tests.integration.stream_entries import pending_ids, send_intents, wait_until_read
from tests.waiting import wait_until

StartIntake = Callable[..., threading.Thread]
ALL = "SELECT, INSERT, UPDATE, DELETE"


@pytest.fixture
def role(database_url: str) -> Iterator[str]:
    """A role of this test's own that may read and write every table, and owns none."""
    name = f"app_{urlsplit(database_url).path[-12:]}"
    run_sql(database_url, f"CREATE ROLE {name} LOGIN", f"GRANT {ALL} ON ALL TABLES IN SCHEMA public TO {name}")
    yield name
    run_sql(database_url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


@pytest.fixture
def environ(environ: dict[str, str], role: str) -> dict[str, str]:
    """The environment of a service that connects as this role."""
    parts = urlsplit(environ["DATABASE_URL"])
    url = urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))
    return environ | {"DATABASE_URL": url}


def count(database: Database, table: str) -> int:
    return int(rows(database, f"SELECT count(*) FROM {table}")[0]["count"])


def waits(logs: list[dict[str, str]]) -> list[str]:
    return [str(line["error"]) for line in logs if line["event"] == "intake waits and tries again"]


@pytest.mark.parametrize("table", ["routes", "notifications"])
def test_a_right_that_was_lost_is_waited_for(
    table: str,
    role: str,
    start_intake: StartIntake,
    database: Database,
    redis_client: redis.Redis,
) -> None:
    """Intents that come while intake may not write are neither condemned nor acknowledged, the log names the right,
    and after the GRANT each is accepted (R19a, R20)."""
    execute(database, f"REVOKE INSERT ON {table} FROM {role}")
    sent = send_intents(redis_client, 5)
    with capture_logs() as logs:
        start_intake()
        wait_until(lambda: len(waits(logs)) >= 3)

    assert pending_ids(redis_client) == sent
    assert count(database, "malformed_intents") == 0
    assert f"(SQLSTATE 42501): permission denied for table {table}" in waits(logs)[0]

    execute(database, f"GRANT INSERT ON {table} TO {role}")
    wait_until_read(redis_client)

    assert (count(database, "notifications"), count(database, "malformed_intents")) == (5, 0)


@pytest.mark.parametrize("code", ["0A000", "42883", "53100", "55000", "58030", "P0001", "XX000"])
def test_what_no_intent_causes_condemns_none(
    code: str, start_intake: StartIntake, database: Database, redis_client: redis.Redis
) -> None:
    """Whatever else PostgreSQL refuses for without blaming a value is waited out in the same way (R19a)."""
    execute(
        database,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
        f" AS $$ BEGIN RAISE 'not now' USING ERRCODE = '{code}'; END $$",
    )
    execute(database, "CREATE TRIGGER refuse BEFORE INSERT ON routes EXECUTE FUNCTION refuse()")
    sent = send_intents(redis_client, 3)
    with capture_logs() as logs:
        start_intake()
        wait_until(lambda: len(waits(logs)) >= 3)
    assert pending_ids(redis_client) == sent

    execute(database, "DROP TRIGGER refuse ON routes")
    wait_until_read(redis_client)

    assert (count(database, "notifications"), count(database, "malformed_intents")) == (3, 0)
