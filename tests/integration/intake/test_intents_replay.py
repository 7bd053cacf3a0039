"""Intents that PostgreSQL lost are taken in again from their stream, each once (R12, R18)."""

import threading
from collections.abc import Callable

import redis
from structlog.testing import capture_logs

from storage.accepting.replays import ReplayReason, latest_replays
from storage.database import Database
from tests.factories import INTENTS, intent_fields
from tests.integration.intake.reverted_postgresql import ANOTHER, lose_everything
from tests.integration.rows import count, execute, rows
from tests.integration.stream_entries import send_intents
from tests.waiting import wait_until

StartIntake = Callable[..., threading.Thread]


def replays(database: Database) -> list[tuple[ReplayReason, int, int]]:
    """Reason, entries seen and entries taken in of every replay that ended, the oldest first."""
    found = latest_replays(database, [INTENTS], 10)
    assert all(replay.ended_at for replay in found)
    return [(r.reason, r.seen, r.replayed) for r in reversed(found)]


def replay_logs(database: Database, settled: Callable[[], None], statement: str) -> list[tuple[str, str]]:
    """Level and words of what a replay logs that begins after the statement."""
    with capture_logs() as events:
        execute(database, statement)
        settled()
        # Logged right after the mark that `settled` waits for.
        wait_until(lambda: any("were looked for" in event["event"] for event in events))
    return [(event["log_level"], event["event"]) for event in events if "postgresql" in event["event"]]


def test_what_another_server_lacks_is_taken_in_again(
    database: Database, redis_client: redis.Redis, start_intake: StartIntake, settled: Callable[[], None]
) -> None:
    """A replica that lagged was promoted: the intents that it lost come back under their ids, malformed ones too."""
    start_intake()
    send_intents(redis_client, 25)
    redis_client.xadd(INTENTS, intent_fields(colour="red"))
    settled()
    before = rows(database, "SELECT notification_id, intent_entry_id FROM notifications ORDER BY 1")
    lose_everything(database)
    execute(database, ANOTHER)

    settled()

    assert rows(database, "SELECT notification_id, intent_entry_id FROM notifications ORDER BY 1") == before
    assert count(database, "routes WHERE status = 'pending'") == 50
    assert count(database, "malformed_intents") == 1
    assert replays(database) == [(ReplayReason.OTHER_SERVER, 26, 26)]


def test_what_is_known_is_read_and_left_alone(
    database: Database, redis_client: redis.Redis, start_intake: StartIntake, settled: Callable[[], None]
) -> None:
    """After a restart that lost nothing, nothing is taken in, counted as a repetition, or written again."""
    start_intake()
    [resent] = send_intents(redis_client, 1, idempotency_key="again")
    redis_client.xadd(INTENTS, intent_fields(idempotency_key="again"))
    redis_client.xadd(INTENTS, intent_fields(idempotency_key="again", producer="game-service", payload_json={"n": 1}))
    redis_client.xadd(INTENTS, intent_fields(colour="red"))
    settled()
    before = (
        rows(database, "SELECT *, xmin::text FROM notifications"),
        rows(database, "SELECT *, xmin::text FROM malformed_intents ORDER BY id"),
    )
    execute(database, ANOTHER)

    settled()

    assert replays(database) == [(ReplayReason.OTHER_SERVER, 4, 0)]
    assert before == (
        rows(database, "SELECT *, xmin::text FROM notifications"),
        rows(database, "SELECT *, xmin::text FROM malformed_intents ORDER BY id"),
    )
    assert before[0][0]["intent_entry_id"] == resent
    assert len(before[1]) == 2


def test_a_restart_that_lost_nothing_is_no_warning(
    database: Database, redis_client: redis.Redis, start_intake: StartIntake, settled: Callable[[], None]
) -> None:
    """An operator restarts PostgreSQL now and then: that intents are looked for is said, and nothing is wrong."""
    start_intake()
    send_intents(redis_client, 3)
    settled()

    assert replay_logs(database, settled, ANOTHER) == [
        ("info", "postgresql was restarted, or is another server: intents that it may lack are looked for"),
        ("info", "intents were looked for that postgresql may have lost"),
    ]


def test_what_was_missing_is_a_warning(
    database: Database, redis_client: redis.Redis, start_intake: StartIntake, settled: Callable[[], None]
) -> None:
    """Another server lacked intents, and a database that is older than Redis knows is one from the start."""
    start_intake()
    send_intents(redis_client, 3)
    settled()
    lose_everything(database)

    assert [level for level, _ in replay_logs(database, settled, ANOTHER)] == ["info", "warning"]
    assert replay_logs(database, settled, "UPDATE intents_marks SET entry_id = '0-0'") == [
        ("warning", "postgresql may have gone back: intents acknowledged since its mark are looked for"),
        ("info", "intents were looked for that postgresql may have lost"),
    ]


def test_a_database_that_is_older_than_redis_knows_is_noticed(
    database: Database, redis_client: redis.Redis, start_intake: StartIntake, settled: Callable[[], None]
) -> None:
    """An old dump restored into the same server: Redis' mark is ahead, and what is missing comes back."""
    start_intake()
    early = send_intents(redis_client, 3)[-1]
    settled()
    old = rows(database, "SELECT entry_id FROM intents_marks")[0]["entry_id"]
    assert old == early
    send_intents(redis_client, 4)
    settled()
    execute(
        database,
        "DELETE FROM routes WHERE notification_key IN (SELECT id FROM notifications WHERE intent_entry_id > %s)",
        early,
    )
    execute(database, "DELETE FROM notifications WHERE intent_entry_id > %s", early)
    execute(database, "UPDATE intents_marks SET entry_id = %s", early)

    settled()

    assert count(database) == 7
    assert replays(database) == [(ReplayReason.OLDER_DATA, 4, 4)]


def test_an_empty_database_gets_what_its_stream_still_has(
    database: Database, redis_client: redis.Redis, start_intake: StartIntake, settled: Callable[[], None]
) -> None:
    """A database that was made anew has no mark, and Redis has one (R1)."""
    start_intake()
    send_intents(redis_client, 3)
    settled()
    lose_everything(database)
    execute(database, "DELETE FROM intents_marks")

    settled()

    assert count(database) == 3
    assert replays(database) == [(ReplayReason.NO_DATA, 3, 3)]


def test_the_first_release_with_marks_replays_nothing(
    database: Database, redis_client: redis.Redis, start_intake: StartIntake, settled: Callable[[], None]
) -> None:
    """Without a mark anywhere, what is acknowledged counts as committed."""
    start_intake()
    send_intents(redis_client, 3)

    settled()

    assert replays(database) == []


def test_what_was_perhaps_published_too_long_ago_is_left_out(
    database: Database, redis_client: redis.Redis, start_intake: StartIntake, settled: Callable[[], None]
) -> None:
    """Beyond the dedup window no witness would keep its command from going out twice (R12): it is told as lost."""
    start_intake()
    redis_client.xadd(INTENTS, intent_fields(), id="1-0")
    redis_client.xadd(INTENTS, intent_fields())
    settled()
    lose_everything(database)
    execute(database, f"{ANOTHER}, marked_at = now() - interval '2 hours'")

    settled()

    assert count(database) == 1
    [loss] = rows(database, "SELECT cause, entries, acknowledged_at FROM intents_losses")
    assert loss == {"cause": "not_replayed", "entries": 1, "acknowledged_at": None}


def test_an_old_entry_that_was_committed_lately_is_taken_in(
    database: Database, redis_client: redis.Redis, start_intake: StartIntake, settled: Callable[[], None]
) -> None:
    """What stands behind the mark was published after it was made, however long the entry had waited to be read."""
    start_intake()
    redis_client.xadd(INTENTS, intent_fields(), id="1-0")
    settled()
    lose_everything(database)
    execute(database, ANOTHER)

    settled()

    assert count(database) == 1


def test_one_process_replays_and_both_read(
    database: Database, redis_client: redis.Redis, start_intake: StartIntake, settled: Callable[[], None]
) -> None:
    """Of two intakes one takes the replay; each intent comes back once (R15)."""
    start_intake("one")
    start_intake("two")
    send_intents(redis_client, 60)
    settled()
    lose_everything(database)
    execute(database, ANOTHER)
    send_intents(redis_client, 40)

    settled()

    assert count(database) == 100
    [(_, seen, replayed)] = replays(database)
    assert seen >= 60
    assert replayed >= 60
