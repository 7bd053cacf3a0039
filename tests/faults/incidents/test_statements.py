"""The alerts as SQL, run on PostgreSQL: what they find, and what they leave to an operator (R25)."""

from publisher.observability.shelf import read_watch_file
from storage.database import Database
from storage.gates import pause
from tests.integration.rows import FINAL, change, due_routes, execute

_PARK = """INSERT INTO channel_gates (channel, parked_at, park_reason, probe_at)
VALUES (%s, now() - interval '1 hour', 'OOM', now())"""
_AUDITED = """INSERT INTO stream_audits (channel, redis_identity, audited_at, covered_to)
VALUES ('email', 'x', now() - interval '1 hour', now() - interval '1 hour')"""


def found(database: Database) -> list[tuple[int, str]]:
    """The number of each statement that finds something, and the channel that it finds, in order."""
    statements = [each for each in read_watch_file("alerts-sql").split(";") if "SELECT" in each]
    assert len(statements) == 7
    results = [database.rows(each.replace("%", "%%")) for each in statements]
    return [(number, row[0]) for number, rows in enumerate(results) for row in rows]


LATE, REFUSES, AUDIT = range(3)


def test_the_statements_find_nothing_in_an_empty_system(database: Database) -> None:
    """Each is one that PostgreSQL takes."""
    assert found(database) == []


def test_the_statements_find_what_waits(database: Database) -> None:
    """Late routes of each open channel, a parked channel with open routes, and published routes without an audit."""
    published, *_ = due_routes(database, 3)
    change(database, due_routes(database, 1), "channel = 'other'")
    due_routes(database, 1, "push")
    change(database, [published], FINAL["published"])
    change(database, [published], "published_at = now() - interval '30 minutes'")
    execute(database, _AUDITED)
    execute(database, _PARK, "push")

    assert found(database) == [(LATE, "email"), (LATE, "other"), (REFUSES, "push"), (AUDIT, "email")]


def test_the_statements_leave_an_operator_and_an_idle_system_in_peace(database: Database) -> None:
    """A channel that is paused, a hold, a parked channel for which nothing waits, audits of what was audited before."""
    due_routes(database, 2)
    pause(database, "email", "ann", "moves")
    execute(database, _AUDITED)
    execute(database, _PARK, "push")
    assert found(database) == []

    change(database, due_routes(database, 1), "channel = 'other'")
    execute(database, "INSERT INTO holds (channel, reason, held_by, held_at) VALUES ('other', 'x', 'ann', now())")
    assert found(database) == []
