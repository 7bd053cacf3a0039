"""The alerts as SQL, run on PostgreSQL: what they find, and what they leave to an operator (R25)."""

import re

from publisher.observability.shelf import read_watch_file
from storage.database import Database
from storage.gates import pause
from tests.integration.rows import FINAL, change, due_routes, execute

_PARK = """INSERT INTO channel_gates (channel, parked_at, park_reason, probe_at)
VALUES (%s, now() - interval '1 hour', 'OOM', now())"""
_AUDITED = """INSERT INTO stream_audits (channel, redis_identity, audited_at, covered_to)
VALUES ('email', 'x', now() - interval '1 hour', now() - interval '1 hour')"""


_RULE = re.compile(r"- alert: Publisher(\w+)\n.*?severity: (\w+)", re.DOTALL)
STATEMENTS = [each for each in read_watch_file("alerts-sql").split(";") if "SELECT" in each]


def found(database: Database) -> list[tuple[str, str]]:
    """The name of each alert that is found, without the prefix, and its channel, in order."""
    rows = [row for each in STATEMENTS for row in database.rows(each.replace("%", "%%"))]
    return [(alert.removeprefix("Publisher"), channel) for alert, _, channel, _ in rows]


def test_the_statements_find_nothing_in_an_empty_system(database: Database) -> None:
    """Each is one that PostgreSQL takes."""
    assert len(STATEMENTS) == 8
    assert found(database) == []


def test_each_statement_has_name_and_severity_of_a_rule() -> None:
    """Whoever is paged by SQL finds the alert in the guide."""
    rules = set(_RULE.findall(read_watch_file("alerts")))
    named = [re.findall(r"'Publisher(\w+)' AS alert, '(\w+)' AS severity", each) for each in STATEMENTS]

    assert [len(each) for each in named] == [1] * len(STATEMENTS)
    assert {pair for each in named for pair in each} <= rules


def test_the_statements_find_what_waits(database: Database) -> None:
    """Late routes of each open channel, a parked channel with open routes, and published routes without an audit."""
    published, *_ = due_routes(database, 3)
    change(database, due_routes(database, 1), "channel = 'other'")
    due_routes(database, 1, "push")
    change(database, [published], FINAL["published"])
    change(database, [published], "published_at = now() - interval '30 minutes'")
    execute(database, _AUDITED)
    execute(database, _PARK, "push")

    assert found(database) == [
        ("RoutesLate", "email"),
        ("RoutesLate", "other"),
        ("StreamRefuses", "push"),
        ("AuditOverdue", "email"),
    ]


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
