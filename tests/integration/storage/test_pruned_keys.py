"""Idempotency keys outlive what was pruned: a repetition is still one (R18, retention)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from publisher.domain.rejection import RejectionCode
from storage.accepting import intents
from storage.database import Database
from storage.retention import prune_keys, prune_notifications
from tests.conftest import connected
from tests.factories import INTENTS, accept, accepted, incoming
from tests.integration.old_notifications import age, ended, kept
from tests.integration.rows import FINAL, all_routes, change, count, execute, rows
from tests.waiting import wait_until

DAYS = timedelta(days=30)


def prune_all(database: Database) -> None:
    """Everything there is was over long ago, and is pruned."""
    change(database, [r["id"] for r in all_routes(database)], FINAL["published"])
    age(database, list(kept(database)), 31)
    prune_notifications(database, DAYS)
    assert kept(database) == set()


def test_a_repetition_of_a_pruned_intent_changes_nothing(database: Database) -> None:
    """The same content again, long after the pruning, is a duplicate: nothing is accepted or published (R18)."""
    one = incoming(idempotency_key="k")
    accept(database, INTENTS, [one], [])
    prune_all(database)

    batch = accept(database, INTENTS, [incoming("9-0", idempotency_key="k")], [])

    assert (list(batch.accepted), [i.entry_id for i in batch.duplicates], batch.due) == ([], ["9-0"], {})
    assert kept(database) == set()
    assert all_routes(database) == []
    assert count(database, "pruned_notifications") == 1


def test_other_content_under_a_pruned_key_is_a_conflict(database: Database) -> None:
    """Other content under the key of a pruned notification is recorded as a conflict (R18, R19)."""
    accept(database, INTENTS, [incoming(idempotency_key="k")], [])
    prune_all(database)

    batch = accept(database, INTENTS, [incoming("9-0", idempotency_key="k", payload_json={"other": 1})], [])

    assert [m.malformed.code for m in batch.malformed] == [RejectionCode.IDEMPOTENCY_CONFLICT]
    assert kept(database) == set()
    assert count(database, "malformed_intents") == 1


def test_a_batch_of_pruned_and_new_intents(database: Database) -> None:
    """In one batch each has its own outcome: new, pruned, pruned and repeated, pruned with other content (R21)."""
    accept(database, INTENTS, [incoming(idempotency_key=k) for k in ("same", "other")], [])
    prune_all(database)

    batch = accept(
        database,
        INTENTS,
        [
            incoming("1-0", idempotency_key="new"),
            incoming("2-0", idempotency_key="same"),
            incoming("3-0", idempotency_key="same"),
            incoming("4-0", idempotency_key="other", payload_json={}),
        ],
        [],
    )

    assert [i.entry_id for i in batch.accepted] == ["1-0"]
    assert [i.entry_id for i in batch.duplicates] == ["2-0", "3-0"]
    assert [m.entry_id for m in batch.malformed] == ["4-0"]
    assert {channel: len(ids) for channel, ids in batch.due.items()} == {"email": 1, "push": 1}


def test_a_key_is_forgotten_after_its_own_time(database: Database) -> None:
    """Once the key is pruned as well, the same intent is a new one, under the same id (R1)."""
    accept(database, INTENTS, [incoming(idempotency_key="k")], [])
    [id_] = kept(database)
    prune_all(database)
    execute(database, "UPDATE pruned_notifications SET pruned_at = now() - interval '91 days'")

    assert prune_keys(database, timedelta(days=90)) == 1
    batch = accept(database, INTENTS, [incoming("9-0", idempotency_key="k")], [])

    assert [i.entry_id for i in batch.accepted] == ["9-0"]
    assert kept(database) == {id_}


def test_keys_within_their_time_stay(database: Database) -> None:
    """Keys go the oldest first, so many at a time, and none before its time."""
    ended(database, 5)
    prune_all(database)
    execute(
        database,
        "UPDATE pruned_notifications SET pruned_at = now() - n * interval '1 day' FROM (SELECT notification_id AS id,"
        " 88.5 + row_number() OVER () AS n FROM pruned_notifications) AS numbered WHERE id = notification_id",
    )

    assert [prune_keys(database, timedelta(days=90), limit=2) for _ in range(3)] == [2, 2, 0]
    assert count(database, "pruned_notifications") == 1


PRUNE_BY_HAND = """
WITH r AS (DELETE FROM routes), n AS (DELETE FROM notifications RETURNING notification_id, request_fingerprint)
INSERT INTO pruned_notifications SELECT notification_id, request_fingerprint, now() FROM n
"""


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [({}, (0, 1, 0)), ({"payload_json": {"other": 1}}, (0, 0, 1))],
    ids=["the same content", "other content"],
)
def test_a_repetition_that_waited_for_a_pruning_is_one(
    fields: dict[str, object], outcome: tuple[int, int, int], database: Database, database_url: str
) -> None:
    """A repetition that comes while its notification is being pruned waits, and then finds the key (R15, R18).

    The insertion itself succeeds, and does not see the key: its snapshot is older than the pruning's commit.
    """
    accept(database, INTENTS, [incoming(idempotency_key="k")], [])
    again = incoming("9-0", idempotency_key="k", **fields)

    with connected(database_url) as other, other.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute("BEGIN")
        cursor.execute(PRUNE_BY_HAND)
        accepting = thread.submit(accept, database, INTENTS, [again], [])
        wait_until(lambda: waiting(database))
        cursor.execute("COMMIT")
        batch = accepting.result()

    assert (len(batch.accepted), len(batch.duplicates), len(batch.malformed)) == outcome
    assert kept(database) == set()
    assert all_routes(database) == []


def test_a_repetition_of_a_pruning_that_failed_is_a_duplicate(database: Database, database_url: str) -> None:
    """If the pruning it waited for is undone, the repetition finds the notification itself (R15, R18)."""
    accept(database, INTENTS, [incoming(idempotency_key="k")], [])

    with connected(database_url) as other, other.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute("BEGIN")
        cursor.execute(PRUNE_BY_HAND)
        accepting = thread.submit(accept, database, INTENTS, [incoming("9-0", idempotency_key="k")], [])
        wait_until(lambda: waiting(database))
        cursor.execute("ROLLBACK")
        batch = accepting.result()

    assert (len(batch.accepted), len(batch.duplicates)) == (0, 1)
    assert len(all_routes(database)) == 2


def test_a_notification_pruned_between_two_statements_is_still_known(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pruned after its repetition was found and before it was compared, a notification is compared all the same."""
    accept(database, INTENTS, [incoming(idempotency_key="k")], [])
    whole = intents._compared

    def pruned_first(*arguments: Any) -> Any:
        prune_all(database)
        return whole(*arguments)

    monkeypatch.setattr(intents, "_compared", pruned_first)
    batch = accept(database, INTENTS, [incoming("9-0", idempotency_key="k")], [])

    assert (len(batch.accepted), len(batch.duplicates)) == (0, 1)


def test_repetitions_and_prunings_at_once(database: Database) -> None:
    """Under prunings and repetitions all the time, no intent is ever accepted a second time (R15, R18)."""
    keys = [f"k{n}" for n in range(40)]
    accepted(database, [{"idempotency_key": key} for key in keys])
    change(database, [r["id"] for r in all_routes(database)], FINAL["published"])
    age(database, list(kept(database)), 31)

    def repeat(round_: int) -> int:
        entries = [incoming(f"{round_}-{n + 10}", idempotency_key=key) for n, key in enumerate(keys)]
        return sum(len(accept(database, INTENTS, entries[n : n + 5], []).accepted) for n in range(0, 40, 5))

    def prune(_: int) -> int:
        return sum(prune_notifications(database, DAYS, limit=8).notifications for _ in range(20))

    with ThreadPoolExecutor(4) as threads:
        repeated = [threads.submit(repeat, n) for n in range(2, 5)]
        pruned = threads.submit(prune, 0)
        assert sum(r.result() for r in repeated) == 0
        assert pruned.result() == 40

    assert kept(database) == set()
    assert count(database, "pruned_notifications") == 40


def waiting(database: Database) -> bool:
    sql = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(rows(database, sql))
