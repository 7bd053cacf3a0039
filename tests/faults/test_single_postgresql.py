"""PostgreSQL is there and of no use: nothing is acknowledged, counted or lost, and all goes on by itself (R15, R20)."""

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from publisher.domain.errors import DatabaseUnavailable
from storage.database import Database
from tests.acceptance.outside import Outside
from tests.conftest import run_sql
from tests.factories import INTENTS, accepted
from tests.faults.in_process import RESUMED, intents, problems, running, seen_outside
from tests.waiting import wait_until

_OURS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'publisher-%%'"
# A place in the middle of a transaction at which a session waits, for as long as lock 8 is held.
_GATE = """
CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock_shared(8); RETURN NULL; END $$;
CREATE TRIGGER gate AFTER {event} FOR EACH STATEMENT EXECUTE FUNCTION wait_at_gate()
"""
# What a standby answers to whoever writes.
_STANDBY = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE 'cannot write in a read-only transaction' USING ERRCODE = 'read_only_sql_transaction'; END $$;
CREATE TRIGGER standby BEFORE INSERT OR UPDATE ON routes FOR EACH STATEMENT EXECUTE FUNCTION refuse();
CREATE TRIGGER standby BEFORE INSERT OR UPDATE ON notifications FOR EACH STATEMENT EXECUTE FUNCTION refuse()
"""
_PROMOTED = "DROP FUNCTION refuse CASCADE"
_WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"

_BLOCKED = "SELECT 1 FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"


@pytest.fixture
def outside(environ: dict[str, str]) -> Iterator[Outside]:
    with seen_outside(environ) as outside:
        yield outside


@pytest.fixture
def limited(environ: dict[str, str], database_url: str) -> Iterator[str]:
    """This database by a role that may have three connections and no more: no superuser, whom no limit binds."""
    role = f"limited_{uuid.uuid4().hex[:8]}"
    run_sql(
        database_url,
        f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 3",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}",
    )
    url = urlsplit(database_url)
    yield urlunsplit(url._replace(netloc=f"{role}@{url.netloc.rpartition('@')[2]}"))
    run_sql(database_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """These processes stand still, with their connections open, until the end of the block."""
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_database_that_is_read_only_is_outlived(outside: Outside, environ: dict[str, str]) -> None:
    """As after a failover: entries wait unacknowledged, no attempt counts, and nobody stays with the old session."""
    before, meanwhile = intents(2)
    with running(environ) as context:
        outside.send(before)
        outside.wait_for_routes(published=2)
        accepted(context.database, [meanwhile])
        outside.rows("UPDATE routes SET next_attempt_at = now() + interval '1 hour' WHERE status = 'pending'")

        outside.rows(_STANDBY)
        old = outside.rows(f"SELECT pid {_OURS}")
        outside.rows(
            "SET session_replication_role = replica;UPDATE routes SET next_attempt_at = now() WHERE status = 'pending'"
        )
        [new] = intents(1)
        outside.send(new)
        wait_until(lambda: pending(outside) and not any(row in outside.rows(f"SELECT pid {_OURS}") for row in old))
        outside.rows(_PROMOTED)

        outside.wait_for_routes(published=6, within=RESUMED)
        outside.wait_until_acknowledged()
    assert outside.row("SELECT max(attempt_count), max(lease_loss_count) AS lost FROM routes") == {"max": 0, "lost": 0}
    assert problems(environ, before, meanwhile, new) == []


def test_a_session_that_is_read_only_is_left(database_url: str, outside: Outside) -> None:
    """A pooled connection to what is a standby now is not used again: the next one finds the new primary (R15)."""
    outside.rows(_STANDBY)
    with closing(Database(database_url, application_name="test", pool_size=1)) as database:
        before = database.rows("SELECT pg_backend_pid()")

        with pytest.raises(DatabaseUnavailable, match="read-only"):
            accepted(database)

        assert database.rows("SELECT pg_backend_pid()") != before


def test_a_database_at_its_connection_limit_is_outlived(
    limited: str, outside: Outside, environ: dict[str, str]
) -> None:
    """Without a free connection the service waits; it does with few, and needs no restart (R20)."""
    [sent] = intents(1)
    with ExitStack() as stack:
        others = [stack.enter_context(closing(psycopg2.connect(limited))) for _ in range(3)]
        with running(environ, DATABASE_URL=limited):
            outside.send(sent)
            wait_until(lambda: pending(outside))
            assert outside.statuses() == {}

            for other in others[1:]:
                other.close()
            outside.wait_for_routes(published=2, within=RESUMED)
            outside.wait_until_acknowledged()

    assert problems(environ, sent) == []


def test_sessions_that_stall_idle_are_outlived(outside: Outside, environ: dict[str, str]) -> None:
    """Backends that answer nothing, their connections open, are given up, and others asked for."""
    before, meanwhile = intents(2)
    with running(environ):
        outside.send(before)
        outside.wait_for_routes(published=2)
        outside.wait_until_acknowledged()

        with stopped([row["pid"] for row in outside.rows(f"SELECT pid {_OURS}")]):
            outside.send(meanwhile)
            outside.wait_for_routes(published=4, within=2 * RESUMED)
            outside.wait_until_acknowledged()

    assert problems(environ, before, meanwhile) == []


@pytest.mark.parametrize(
    "event", ["INSERT ON routes", "UPDATE OF published_at ON routes"], ids=["accepting", "publishing"]
)
def test_a_session_that_stalls_in_the_middle_is_outlived(event: str, outside: Outside, environ: dict[str, str]) -> None:
    """Whatever a session that stalled with its work half done does once it goes on, all stands once (R8, R18)."""
    [sent] = intents(1)
    outside.rows(_GATE.format(event=event))
    outside.rows("SELECT pg_advisory_lock(8)")
    with running(environ):
        outside.send(sent)
        with stopped([wait_until(lambda: outside.rows(_WAITING))[0]["pid"]]):
            outside.rows("SELECT pg_advisory_unlock(8)")
            # Given up: the next try waits for what the one that stands still has locked.
            wait_until(lambda: outside.rows(_BLOCKED), within=2 * RESUMED)
        outside.wait_for_routes(published=2, within=2 * RESUMED)
        outside.wait_until_acknowledged()

    assert problems(environ, sent) == []


def pending(outside: Outside) -> bool:
    """True if an intent was read and is not acknowledged."""
    return outside.redis.exists(INTENTS) > 0 and any(g["pending"] for g in outside.redis.xinfo_groups(INTENTS))
