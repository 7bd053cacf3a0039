"""Replays that begin in the middle: after a death, a second failover, or an entry that kills (R5, R19)."""

import threading
from collections.abc import Callable
from datetime import timedelta

import redis

from storage.accepting.replays import ReplayReason, begin_replay, claim_replay
from storage.database import Database
from tests.factories import INTENTS, accepted
from tests.integration.intake.reverted_postgresql import lose_everything
from tests.integration.rows import count, execute, malformed_codes, rows
from tests.integration.stream_entries import send_intents

StartIntake = Callable[..., threading.Thread]


def test_a_replay_whose_process_died_is_taken_over(database: Database, redis_client: redis.Redis) -> None:
    """Its lease runs out, and another goes on where the last page ended (R5)."""
    assert begin_replay(database, INTENTS, up_to="9-0", witnessed=None) is ReplayReason.NO_DATA
    lease = timedelta(seconds=30)
    first = claim_replay(database, INTENTS, "one", lease, up_to="9-0")
    assert first is not None
    assert claim_replay(database, INTENTS, "two", lease, up_to="9-0") is None

    execute(database, "UPDATE intents_replays SET replayer_until = now() - interval '1 second', reached_id = '4-0'")

    second = claim_replay(database, INTENTS, "two", lease, up_to="9-0")
    assert second is not None
    assert (second.id, second.reached_id, second.tries) == (first.id, "4-0", 2)


def test_an_entry_that_kills_its_replayer_is_set_aside(
    database: Database, redis_client: redis.Redis, start_intake: StartIntake, settled: Callable[[], None]
) -> None:
    """Five processes died at the very same entry: it is recorded as malformed, and the rest goes on (R19)."""
    start_intake()
    [deadly, *_] = send_intents(redis_client, 3)
    settled()
    lose_everything(database)
    execute(
        database,
        "INSERT INTO intents_replays (stream, reason, server, after_id, reached_id, up_to_id, begun_at, tries)"
        " SELECT stream, 'other_server', server, '0-0', '0-0', entry_id, now(), 5 FROM intents_marks",
    )

    settled()

    [record] = rows(database, "SELECT stream_entry_id, failure_code FROM malformed_intents")
    assert record == {"stream_entry_id": deadly, "failure_code": "poison"}
    assert count(database) == 2


def test_an_entry_that_kills_is_not_taken_for_that_of_another_partition(
    database: Database, redis_client: redis.Redis, start_intake: StartIntake, settled: Callable[[], None]
) -> None:
    """Another partition had an entry of the same id, which was accepted: this one is recorded all the same (R19)."""
    start_intake()
    [deadly] = send_intents(redis_client, 1)
    settled()
    lose_everything(database)
    accepted(database, [{"idempotency_key": "of another partition"}])
    execute(database, "UPDATE notifications SET intent_entry_id = %s", deadly)
    execute(
        database,
        "INSERT INTO intents_replays (stream, reason, server, after_id, reached_id, up_to_id, begun_at, tries)"
        " SELECT stream, 'other_server', server, '0-0', '0-0', entry_id, now(), 5 FROM intents_marks",
    )

    settled()

    assert malformed_codes(database) == [(deadly, "poison")]


def test_a_replay_that_another_server_began_goes_on_from_where_it_is_known(
    database: Database, redis_client: redis.Redis, start_intake: StartIntake, settled: Callable[[], None]
) -> None:
    """One more failover amid a replay: it covers what was accepted meanwhile, too."""
    start_intake()
    ids = send_intents(redis_client, 6)
    settled()
    lose_everything(database)
    execute(
        database,
        "INSERT INTO intents_replays (stream, reason, server, after_id, reached_id, up_to_id, begun_at)"
        " VALUES (%s, 'other_server', 'a third one', '0-0', '0-0', %s, now())",
        INTENTS,
        ids[2],
    )

    settled()

    assert count(database) == 6
