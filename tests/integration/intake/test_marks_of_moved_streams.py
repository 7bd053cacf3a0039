"""Marks of intents streams that have one name on two servers: intents move from the one to the other (R20, R37)."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
import redis

from actors.context import Context
from publisher.bootstrap import compose_intake
from publisher.intake.consumer import IntakeOptions
from publisher.streams.intents import IntentsGroup
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from storage.accepting.marks import begin_mark, read_mark, take_over_mark
from storage.database import Database
from tests.factories import GROUP, INTENTS
from tests.integration.rows import count, execute
from tests.integration.stream_entries import send_intents
from tests.waiting import wait_until

ELSEWHERE = "redis://elsewhere:6379/0"
MOVED = f"{INTENTS} @ {ELSEWHERE}"


@pytest.fixture
def elsewhere(redis_url: str) -> Iterator[redis.Redis]:
    """The Redis that the intents stream moves to: another database of the same one."""
    url = f"{redis_url.rpartition('/')[0]}/15"
    with open_redis(url, timeout=timedelta(seconds=3), client_name="test") as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def start_moved(
    context: Context, redis_client: redis.Redis, elsewhere: redis.Redis
) -> Iterator[Callable[[], threading.Thread]]:
    """Starts an intake with the settings of after the move."""
    servers = StreamServers(redis_client, {ELSEWHERE: elsewhere}, {INTENTS: ELSEWHERE})
    started: list[threading.Thread] = []

    def start() -> threading.Thread:
        group = IntentsGroup(servers, INTENTS, GROUP, "moved")
        options = IntakeOptions(INTENTS, 10, timedelta(hours=1), handover=timedelta(0))
        loop = compose_intake(replace(context, servers=servers), group, options)
        started.append(threading.Thread(target=loop.run, name="intake moved"))
        started[-1].start()
        return started[-1]

    yield start
    context.stopping.set()
    for thread in started:
        thread.join()


def test_while_intents_move_to_another_redis_nothing_is_taken_for_lost(
    database: Database,
    redis_client: redis.Redis,
    elsewhere: redis.Redis,
    start_intake: Callable[[], threading.Thread],
    start_moved: Callable[[], threading.Thread],
) -> None:
    """An intake of before reads the old stream to its end beside the new ones: each stream has its own mark (R20)."""
    start_intake()
    start_moved()
    for _ in range(3):
        old, new = send_intents(redis_client)[-1], send_intents(elsewhere)[-1]
        wait_until(partial(_are_marked, database, old, new))

    assert count(database, "notifications") == 6
    assert count(database, "intents_replays") == 0


def _are_marked(database: Database, old: str, new: str) -> bool:
    return (read_mark(database, INTENTS).entry_id, read_mark(database, MOVED).entry_id) == (old, new)


def test_a_mark_is_taken_over_where_the_same_redis_is_written_in_another_way(database: Database) -> None:
    """A cluster of which the settings name other nodes has lost nothing: its stream is not read from its beginning."""
    begin_mark(database, MOVED, "5-0")
    execute(database, "UPDATE intents_marks SET marked_at = now() - interval '1 minute'")
    begin_mark(database, INTENTS, "9-0")
    begin_mark(database, f"{INTENTS}:{{0}}", "7-0")

    assert take_over_mark(database, f"{INTENTS} @ redis://another:6379/0")
    assert not take_over_mark(database, f"{INTENTS}:other")

    assert read_mark(database, f"{INTENTS} @ redis://another:6379/0").entry_id == "9-0"
