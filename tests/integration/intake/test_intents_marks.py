"""The mark up to which intents are committed: it advances with what is acknowledged, and only on its own server."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import redis

from actors.context import Context, install
from actors.retention import trim_intents
from publisher.streams.intents import IntentsGroup
from publisher.streams.intents_progress import IntentsProgress, read_progress, write_mark
from storage.accepting.marks import advance_mark, begin_mark, read_mark
from storage.accepting.replays import begin_replay
from storage.database import Database
from tests.factories import GROUP, INTENTS
from tests.integration.rows import execute
from tests.integration.stream_entries import add_entries


def test_a_mark_is_set_once_and_advances(database: Database) -> None:
    """Ids compare as numbers, and a mark never goes back."""
    assert read_mark(database, INTENTS).entry_id is None

    assert begin_mark(database, INTENTS, "9-5")
    assert not begin_mark(database, INTENTS, "1-0")
    assert advance_mark(database, INTENTS, "10-0")
    assert not advance_mark(database, INTENTS, "9-6")
    assert not advance_mark(database, INTENTS, "10-0")

    mark = read_mark(database, INTENTS)
    assert (mark.entry_id, mark.is_ours, mark.replaying) == ("10-0", True, False)


def test_ids_may_have_64_bits_a_part(database: Database) -> None:
    """A producer may choose its ids, up to the largest."""
    largest = f"{2**64 - 1}-{2**64 - 1}"
    begin_mark(database, INTENTS, f"{2**64 - 1}-9")

    assert advance_mark(database, INTENTS, largest)
    assert read_mark(database, INTENTS).entry_id == largest


def test_a_mark_that_stands_still_is_renewed(database: Database) -> None:
    """It says until when nothing was missing: once a minute, not each second."""
    begin_mark(database, INTENTS, "1-0")
    assert not advance_mark(database, INTENTS, "1-0")

    execute(database, "UPDATE intents_marks SET marked_at = now() - interval '61 seconds'")

    assert advance_mark(database, INTENTS, "1-0")


def test_nobody_advances_the_mark_of_another_server(database: Database) -> None:
    """What a promoted replica has of it says how far that replica had come."""
    begin_mark(database, INTENTS, "1-0")
    execute(database, "UPDATE intents_marks SET server = 'the one that is lost'")

    assert not advance_mark(database, INTENTS, "2-0")

    mark = read_mark(database, INTENTS)
    assert (mark.entry_id, mark.is_ours) == ("1-0", False)


def test_nobody_advances_the_mark_while_intents_are_replayed(database: Database) -> None:
    """What is replayed is not committed yet, though it is acknowledged."""
    begin_mark(database, INTENTS, "1-0")
    assert begin_replay(database, INTENTS, up_to="5-0", witnessed="2-0") is not None

    assert not advance_mark(database, INTENTS, "6-0")
    assert read_mark(database, INTENTS).replaying


def test_progress_is_up_to_the_first_entry_that_is_not_acknowledged(
    redis_client: redis.Redis, consumer: Callable[[str], IntentsGroup]
) -> None:
    """An entry that someone holds keeps the mark before it, however many behind it are acknowledged (R20)."""
    group = consumer("one")
    group.create()
    assert read_progress(redis_client, INTENTS, GROUP) == IntentsProgress("0-0", "0-0", None)
    first, second, third = (redis_client.xadd(INTENTS, {"n": 1}, id=f"{n}-{n % 2}").decode() for n in (7, 8, 9))
    entries = redis_client.xreadgroup(GROUP, "one", {INTENTS: ">"}, count=2)
    assert len(entries[0][1]) == 2

    redis_client.xack(INTENTS, GROUP, first)
    assert read_progress(redis_client, INTENTS, GROUP) == IntentsProgress(f"7-{2**64 - 1}", second, None)
    redis_client.xreadgroup(GROUP, "one", {INTENTS: ">"})
    redis_client.xack(INTENTS, GROUP, second)
    assert read_progress(redis_client, INTENTS, GROUP) == IntentsProgress("9-0", third, None)
    redis_client.xack(INTENTS, GROUP, third)
    write_mark(redis_client, INTENTS, "9-0")

    assert read_progress(redis_client, INTENTS, GROUP) == IntentsProgress(third, third, "9-0")


@pytest.mark.parametrize("entries", [0, 3])
def test_without_a_group_there_is_no_progress(redis_client: redis.Redis, entries: int) -> None:
    """Nobody has read anything: there is nothing to mark."""
    add_entries(redis_client, entries)

    assert read_progress(redis_client, INTENTS, GROUP) is None


def test_what_postgresql_may_lack_is_not_trimmed(
    context: Context, database: Database, redis_client: redis.Redis, consumer: Callable[[str], IntentsGroup]
) -> None:
    """Acknowledged or not, while PostgreSQL may have gone back the stream has the only copy."""
    context = replace(context, retention=replace(context.retention, intents=timedelta(microseconds=1)))
    install(context)
    group = consumer("one")
    group.create()
    ids = add_entries(redis_client, 1000)
    redis_client.xreadgroup(GROUP, "one", {INTENTS: ">"}, count=1000)
    redis_client.xack(INTENTS, GROUP, *ids)
    begin_mark(database, INTENTS, "1-0")
    execute(database, "UPDATE intents_marks SET server = 'the one that is lost'")

    trim_intents("email")

    assert redis_client.xlen(INTENTS) == 1000
    redis_client.delete("publisher:retention:intents")
    execute(database, "DELETE FROM intents_marks")
    trim_intents("email")
    assert redis_client.xlen(INTENTS) < 1000
