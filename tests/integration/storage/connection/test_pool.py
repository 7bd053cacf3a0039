"""The pool: which connections it lends without asking them, and that none of those is dead."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from storage.connection import pool, session
from storage.database import Database
from tests.conftest import run_sql


@pytest.fixture
def pooled(database_url: str) -> Iterator[Database]:
    """A database of its own pool."""
    with closing(Database(database_url, application_name="pooled")) as made:
        yield made


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that any connection sends from now on."""
    statements: list[str] = []
    execute = session.SelfSetCursor.execute

    def noted(self: session.SelfSetCursor, query: str, parameters: object = None) -> None:
        statements.append(query)
        execute(self, query, parameters)

    monkeypatch.setattr(session.SelfSetCursor, "execute", noted)
    return statements


def test_a_connection_that_answered_just_now_is_not_asked(pooled: Database, sent: list[str]) -> None:
    """A unit of work right after another one sends its own statement alone."""
    pooled.rows("SELECT 2")
    pooled.rows("SELECT 3")

    assert sent == ["SELECT 2", "SELECT 3"]


def test_a_connection_that_was_silent_for_long_is_asked(
    pooled: Database, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A firewall or a pooler may have dropped it without a word: it is asked before it is used."""
    pooled.rows("SELECT 2")
    monkeypatch.setattr(pool, "_TRUSTED_SECONDS", 0.0)
    pooled.rows("SELECT 3")

    assert sent == ["SELECT 2", "SELECT 1", "SELECT 3"]


def test_a_connection_whose_server_process_was_ended_is_replaced(pooled: Database, database_url: str) -> None:
    """However recently it answered: the next unit of work has a new connection and no error."""
    for _ in range(5):
        [(pid,)] = pooled.rows("SELECT pg_backend_pid()")
        run_sql(database_url, f"SELECT pg_terminate_backend({pid}, 10000)")

        assert pooled.rows("SELECT pg_backend_pid() <> %s", [pid]) == [(True,)]
