"""Pruning of malformed intents and operators' actions (retention)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from storage.actions import ActionOutcome, begin_action, end_action
from storage.database import Database
from storage.retention import prune_actions, prune_keys, prune_malformed
from tests.integration.rows import count, execute, rows

DAYS = timedelta(days=30)


def malformed(database: Database, *days: float) -> None:
    """Malformed intents recorded so many days ago, in this order."""
    execute(
        database,
        "INSERT INTO malformed_intents (stream, stream_entry_id, failure_code, failure_message, raw_fields,"
        " recorded_at) SELECT 's', gen_random_uuid()::text, 'c', 'm', '{}', now() - day * interval '1 day'"
        " FROM unnest(%s::float8[]) AS day",
        list(days),
    )


def ages(database: Database) -> list[int]:
    """How many days ago the malformed intents that are there were recorded."""
    found = rows(database, "SELECT now() - recorded_at AS age FROM malformed_intents ORDER BY id")
    return [row["age"].days for row in found]


def test_old_malformed_intents_go(database: Database) -> None:
    """Malformed intents go after the retention, the oldest first, so many at a time."""
    malformed(database, 40, 39, 38, 29, 1)

    assert [prune_malformed(database, DAYS, limit=2) for _ in range(3)] == [2, 1, 0]
    assert ages(database) == [29, 1]


def test_one_recorded_out_of_order_goes_too(database: Database) -> None:
    """Entries that were recorded at nearly the same time stand in any order: an old one behind a young one goes."""
    malformed(database, 29, 31, 30.5)

    assert prune_malformed(database, DAYS, limit=3) == 2
    assert ages(database) == [29]


def test_two_prunings_of_malformed_intents_delete_each_once(database: Database) -> None:
    """Of prunings at once each malformed intent is counted by one (R15)."""
    malformed(database, *[40] * 100)

    with ThreadPoolExecutor(4) as threads:
        counted = sum(threads.map(lambda _: prune_malformed(database, DAYS, limit=100), range(4)))

    assert counted == 100
    assert ages(database) == []


def test_actions_go_after_their_end(database: Database) -> None:
    """An action goes once it ended longer ago than the retention; one that never told its end stays."""
    old, young, running = (begin_action(database, "pause", "ann", {}, 1) for _ in range(3))
    for action in (old, young):
        end_action(database, action, ActionOutcome.DONE)
    execute(database, "UPDATE operator_actions SET begun_at = now() - interval '60 days'")
    execute(database, "UPDATE operator_actions SET ended_at = now() - interval '31 days' WHERE id = %s", old)

    assert prune_actions(database, DAYS) == 1
    assert [row["id"] for row in rows(database, "SELECT id FROM operator_actions ORDER BY id")] == [young, running]


def test_actions_go_so_many_at_a_time(database: Database) -> None:
    """A pruning of actions is bounded as well."""
    for _ in range(3):
        end_action(database, begin_action(database, "pause", "ann", {}, 1), ActionOutcome.DONE)
    execute(database, "UPDATE operator_actions SET ended_at = now() - interval '31 days'")

    assert [prune_actions(database, DAYS, limit=2) for _ in range(3)] == [2, 1, 0]
    assert count(database, "operator_actions") == 0


@pytest.mark.parametrize("prune", [prune_malformed, prune_actions, prune_keys])
def test_nothing_there_is_nothing_pruned(prune: Callable[[Database, timedelta], int], database: Database) -> None:
    """On empty tables a pruning does nothing."""
    assert prune(database, DAYS) == 0
