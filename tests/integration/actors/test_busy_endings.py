"""Ending routes that are past their deadline, or to be cancelled, while others of their channel are due (R3, R28)."""

from collections.abc import Callable

import pytest

from actors.context import Context
from actors.routes import drain, scan_due_routes
from storage.database import Database
from tests.integration.rows import all_routes, change, due_routes

Install = Callable[..., Context]


@pytest.fixture
def backlog(install: Install, database: Database, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Eight routes that are due, two that are past their deadline, and batches of one. Returns the clock: its now."""
    clock = [0.0]
    context = install(PUBLISHER_BATCH_SIZE="1")
    monkeypatch.setattr(context.busy_endings, "_now", lambda: clock[0])
    change(database, due_routes(database, 10)[:2], "expires_at = now() - interval '1 second'")
    return clock


def expired(database: Database) -> int:
    return sum(route["status"] == "expired" for route in all_routes(database))


def test_a_backlog_does_not_keep_overdue_routes_waiting(backlog: list[float], database: Database) -> None:
    """While each scan leaves more due, it ends one batch a second."""
    seen = []
    for backlog[0] in (0.0, 0.9, 1.0):
        scan_due_routes("email")
        seen.append(expired(database))

    assert seen == [1, 1, 2]


def test_a_worker_that_scans_by_itself_ends_them_too(
    backlog: list[float], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that publishes a backlog in one thread ends a batch on its way (R14a)."""
    seen = []

    def note(*_: object) -> bool:
        backlog[0] += 1
        seen.append(expired(database))
        return False

    monkeypatch.setattr("actors.routes._send_retries", note)

    drain("email")

    assert seen[:3] == [0, 1, 2]
