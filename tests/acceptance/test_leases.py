"""Leases as the workers keep them: respected while they last, free once they expire, worthless after a crash."""

import json
import signal

import pytest

from storage.database import Database
from tests.acceptance.completion_gate import closed_gate
from tests.acceptance.outside import EMAIL, Outside, users
from tests.factories import accepted
from tests.processes import Processes


def due_routes(database: Database, count: int) -> list[int]:
    """The keys of this many email routes, due now."""
    return accepted(database, [{"recipients_json": users(count), "channels_json": ["email"]}]).due["email"]


def test_a_lease_is_respected_until_it_expires_and_is_free_from_then_on(
    processes: Processes, database: Database, outside: Outside
) -> None:
    """What someone else has leased waits for the lease's end, while its neighbours are published (R4, R5)."""
    leased, *_ = due_routes(database, 4)
    outside.rows(
        "UPDATE routes SET lease_token = 'another', lease_expires_at = now() + interval '1 hour' WHERE id = %s", leased
    )

    processes.start("worker")
    processes.start("clock")
    outside.wait_for_routes(published=3, pending=1)
    due_routes(database, 3)
    outside.wait_for_routes(published=6, pending=1)
    assert outside.row("SELECT id, lease_token FROM routes WHERE status = 'pending'") == {
        "id": leased,
        "lease_token": "another",
    }

    outside.rows("UPDATE routes SET lease_expires_at = now() WHERE id = %s", leased)
    outside.wait_for_routes(published=7)


@pytest.mark.parametrize(("losses", "end"), [(3, "published"), (4, "dead_letter")])
def test_only_the_fifth_lease_in_a_row_that_expires_without_outcome_gives_the_route_up(
    processes: Processes, database: Database, outside: Outside, losses: int, end: str
) -> None:
    """A route that outlives its workers is dead-lettered as `lease_expired`; any outcome resets the count (R5a)."""
    due_routes(database, 1)
    outside.rows(
        "UPDATE routes SET lease_token = 'a dead worker', lease_loss_count = %s,"
        " lease_expires_at = now() - interval '1 second'",
        losses,
    )

    processes.start("worker")
    processes.start("clock")
    outside.wait_for_routes(**{end: 1})

    assert outside.row("SELECT lease_loss_count, attempt_count, lease_token FROM routes") == {
        "lease_loss_count": 0,
        "attempt_count": 0,
        "lease_token": None,
    }
    given_up = [row["classification"] for row in outside.rows("SELECT classification FROM dead_letters")]
    assert given_up == (["lease_expired"] if end == "dead_letter" else [])


def test_a_worker_killed_between_append_and_record_leaves_one_command_and_a_published_route(
    processes: Processes, database: Database, outside: Outside
) -> None:
    """The next worker finds the commands on the stream, adds none, and records them as published (R6, R12, R15)."""
    due_routes(database, 20)
    with closed_gate(outside) as gate:
        worker = processes.start("worker")
        gate.wait_for_someone()
        standing = outside.redis.xrange(EMAIL)
        worker.signal(signal.SIGKILL, group=True)
        gate.send_away()
    assert outside.statuses() == {"pending": 20}
    outside.rows("UPDATE routes SET lease_expires_at = now() WHERE lease_token IS NOT NULL")

    processes.start("worker")
    outside.wait_for_routes(published=20)

    assert len(standing) == 20
    assert outside.redis.xrange(EMAIL) == standing
    assert {row["stream_entry_id"] for row in outside.rows("SELECT stream_entry_id FROM routes")} == {
        entry_id for entry_id, _ in standing
    }
    assert outside.rows("SELECT DISTINCT attempt_count, lease_loss_count FROM routes") == [
        {"attempt_count": 0, "lease_loss_count": 0}
    ]


def test_a_route_moved_on_by_someone_else_during_an_attempt_stays_as_they_left_it(
    processes: Processes, environ: dict[str, str], database: Database, outside: Outside
) -> None:
    """The completion that comes too late changes nothing, counts nothing and logs no more than debug (R8)."""
    environ["PUBLISHER_LOG_LEVEL"] = "DEBUG"
    due_routes(database, 1)
    with closed_gate(outside) as gate:
        worker = processes.start("worker")
        gate.wait_for_someone()
        moved_on = outside.row(
            "UPDATE routes SET status = 'published', published_at = '2026-01-01Z', next_attempt_at = NULL,"
            " stream_entry_id = '1-1', lease_token = NULL, lease_expires_at = NULL RETURNING *"
        )

    worker.wait_for_output("route was moved on by someone else")
    worker.signal(signal.SIGTERM)
    worker.wait()

    assert outside.row("SELECT * FROM routes") == moved_on
    assert {json.loads(line)["level"] for line in worker.output.splitlines()} == {"debug", "info"}
