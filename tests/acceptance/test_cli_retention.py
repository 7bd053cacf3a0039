"""`publisher retention run`, and the retention of the processes themselves, on the real processes."""

import json
from collections.abc import Callable
from subprocess import CompletedProcess

import redis

from storage.database import Database
from tests.factories import INTENTS, accept, incoming
from tests.integration.old_notifications import age, ended, kept
from tests.integration.rows import FINAL, all_routes, change, count, execute, rows
from tests.integration.stream_entries import send_intents, wait_until_read
from tests.processes import Processes
from tests.waiting import wait_until

Publisher = Callable[..., CompletedProcess[str]]


def test_a_dry_run_counts_and_changes_nothing(publisher: Publisher, database: Database) -> None:
    """`retention run --dry-run` says how many notifications are old, and prunes none."""
    ended(database, 3)
    ended(database, 1, days=1)

    done = publisher("retention", "run", "--dry-run", "--json")

    assert (done.returncode, json.loads(done.stdout)["old_notifications"]) == (0, 3)
    assert len(kept(database)) == 4
    assert count(database, "operator_actions") == 0


def test_a_run_prunes_and_leaves_an_audit_row(publisher: Publisher, database: Database) -> None:
    """`retention run` prunes what is over, says how much, and who did it is kept."""
    ended(database, 3)
    [young] = ended(database, 1, days=1)

    done = publisher("retention", "run", "--yes", "--by", "ann", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "old_notifications": 3,
        "notifications": 3,
        "routes": 6,
        "malformed_intents": 0,
        "operator_actions": 0,
        "keys": 0,
    }
    assert kept(database) == {young}
    [action] = rows(database, "SELECT action, by, matched, done, outcome FROM operator_actions")
    assert action == {"action": "prune", "by": "ann", "matched": 3, "done": 3, "outcome": "done"}


def test_a_run_asks_first(publisher: Publisher, database: Database) -> None:
    """Without a terminal and without --yes nothing is pruned."""
    ended(database)

    done = publisher("retention", "run")

    assert done.returncode != 0
    assert "ask on: pass --yes, or --dry-run to count" in done.stderr
    assert len(kept(database)) == 1


def test_a_retention_of_zero_is_said(publisher: Publisher) -> None:
    """Where everything is kept for ever, `retention run` says which variable says so."""
    done = publisher("retention", "run", "--yes", PUBLISHER_RETENTION="0")

    assert (done.returncode, done.stdout) == (2, "")
    assert "PUBLISHER_RETENTION is 0" in done.stderr


def test_a_bad_retention_stops_every_process(publisher: Publisher) -> None:
    """A retention no longer than the dedup window is refused, with the rule."""
    done = publisher("retention", "run", PUBLISHER_RETENTION="3600")

    assert done.returncode == 2
    assert "PUBLISHER_RETENTION must be 0 or longer than PUBLISHER_DEDUP_WINDOW" in done.stderr


def test_the_running_service_prunes_and_trims(
    processes: Processes, database: Database, redis_client: redis.Redis
) -> None:
    """Clock, workers and intake together: what is old goes, its repetition is one, and the stream is trimmed."""
    accept(database, INTENTS, [incoming(idempotency_key="k")], [])
    change(database, [route["id"] for route in all_routes(database)], FINAL["published"])
    [old] = kept(database)
    age(database, [old], 31)
    send_intents(redis_client, 300, channels_json=["push"])
    processes.start("intake")
    wait_until_read(redis_client)

    for name in ("worker", "clock"):
        processes.start(name, PUBLISHER_INTENTS_RETENTION="0.001")
    wait_until(lambda: old not in kept(database))
    wait_until(lambda: redis_client.xlen(INTENTS) <= 101, describe=lambda: redis_client.xlen(INTENTS))

    send_intents(redis_client, 1, idempotency_key="k")
    wait_until_read(redis_client)
    assert old not in kept(database)
    assert len(kept(database)) == 300


def test_a_pruning_that_could_not_begin_reports_none(publisher: Publisher, database: Database) -> None:
    """Where its action is not recorded nothing is pruned, and no count says that something ran (R34)."""
    ended(database, 3)
    execute(database, "ALTER TABLE operator_actions ADD CONSTRAINT broken CHECK (action <> 'prune') NOT VALID")

    done = publisher("retention", "run", "--yes", "--json")

    assert (done.returncode, done.stdout) == (1, "")
    assert "broken" in done.stderr
    assert len(kept(database)) == 3
