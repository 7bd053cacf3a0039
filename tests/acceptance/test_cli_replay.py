"""`publisher intents replay`: what PostgreSQL lacks is taken in again from its stream, at an operator's word."""

import json
import time

import redis

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.factories import GROUP, INTENTS, intent_fields
from tests.integration.rows import rows
from tests.integration.stream_entries import send_intents

SINCE = ("--since", "2020-01-01")


def acknowledged(client: redis.Redis, *more: str) -> list[str]:
    """Five intents of now, and one of each of these ids before; all read and acknowledged, and none accepted."""
    ids = [client.xadd(INTENTS, intent_fields(), id=id_).decode() for id_ in more] + send_intents(client, 5)
    client.xgroup_create(INTENTS, GROUP, "0")
    client.xreadgroup(GROUP, "one", {INTENTS: ">"})
    client.xack(INTENTS, GROUP, *ids)
    return ids


def accepted(database: Database) -> set[str]:
    return {row["intent_entry_id"] for row in rows(database, "SELECT intent_entry_id FROM notifications")}


def hours_ago(hours: float) -> str:
    """The id of an entry of that time."""
    return f"{round((time.time() - hours * 3600) * 1000)}-0"


def test_a_dry_run_counts_and_changes_nothing(
    publisher: Publisher, database: Database, redis_client: redis.Redis
) -> None:
    """How many were looked at, how many are missing, and how many are too old to be taken in unasked."""
    acknowledged(redis_client, hours_ago(3), hours_ago(2))

    done = publisher("intents", "replay", *SINCE, "--dry-run", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "action": None,
        "seen": 7,
        "missing": 5,
        "left_out": 2,
        "replayed": 0,
        "outcome": None,
    }
    assert accepted(database) == set()


def test_what_is_missing_is_taken_in_and_audited(
    publisher: Publisher, database: Database, redis_client: redis.Redis
) -> None:
    """Only what PostgreSQL lacks; who asked, for what, and how many it were is kept."""
    ids = acknowledged(redis_client)
    first = publisher("intents", "replay", *SINCE, "--yes", "--by", "ann", "--json")
    again = publisher("intents", "replay", *SINCE, "--yes", "--json")

    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["replayed"] == 5
    assert (json.loads(again.stdout)["missing"], json.loads(again.stdout)["action"]) == (0, None)
    assert accepted(database) == set(ids)
    [action] = rows(database, "SELECT action, by, matched, done, outcome, target FROM operator_actions")
    assert (action["action"], action["by"], action["outcome"]) == ("replay-intents", "ann", "done")
    assert (action["matched"], action["done"]) == (5, 5)
    assert action["target"]["since"].startswith("2020-01-01")


def test_what_nobody_has_read_is_left_to_intake(
    publisher: Publisher, database: Database, redis_client: redis.Redis
) -> None:
    """It is not lost, it has not been its turn."""
    ids = acknowledged(redis_client)
    send_intents(redis_client, 3)

    publisher("intents", "replay", *SINCE, "--yes")

    assert accepted(database) == set(ids)


def test_a_window_bounds_it_and_older_ones_are_taken_in_when_asked_for(
    publisher: Publisher, database: Database, redis_client: redis.Redis
) -> None:
    """--until ends the window, and --older-too takes what may go out a second time."""
    old, older = hours_ago(2), hours_ago(30)
    acknowledged(redis_client, older, old)
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 10 * 3600))
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))

    left = publisher("intents", "replay", "--since", since, "--until", until, "--yes")
    assert "1 more are missing, sent before the dedup window: --older-too" in left.stdout
    assert accepted(database) == set()

    done = publisher("intents", "replay", "--since", since, "--until", until, "--older-too", "--yes")

    assert "1 looked at, 1 missing, 1 taken in again (action 1)" in done.stdout
    assert accepted(database) == {old}


def test_it_asks_first(publisher: Publisher, database: Database, redis_client: redis.Redis) -> None:
    """Without a terminal and without --yes nothing is taken in."""
    acknowledged(redis_client)

    done = publisher("intents", "replay", *SINCE)

    assert done.returncode == 2
    assert "Take 5 intents in again, of 5 sent in this time?" in done.stderr
    assert accepted(database) == set()


def test_a_stream_that_nobody_has_read_has_nothing_to_replay(publisher: Publisher) -> None:
    """One line, and exit code 2; the same for a window that is none."""
    nothing = publisher("intents", "replay", *SINCE)
    backwards = publisher("intents", "replay", "--since", "2026-03-14", "--until", "2026-03-13")

    always = publisher("intents", "replay")

    assert (nothing.returncode, backwards.returncode, always.returncode) == (2, 2, 2)
    assert "say since when" in always.stderr
    assert "nothing was read of notification:intents yet" in nothing.stderr
    assert "nothing lies between --since and --until" in backwards.stderr
