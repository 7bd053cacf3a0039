"""Intake takes cancellations off the stream as intents: committed, told of once, then acknowledged (R20, R28)."""

import threading
from collections.abc import Callable

import pytest
import redis
from structlog.testing import capture_logs

from actors.context import Context
from publisher.intake.acceptor import Acceptor
from publisher.process.telemetry import Telemetry
from storage.accepting.replays import latest_replays
from storage.cancelling.cancellations import IncomingCancellation
from storage.database import Database
from tests.factories import INTENTS, accepted, incoming, intent_fields
from tests.integration.intake.reverted_postgresql import ANOTHER, lose_everything
from tests.integration.publishers import counters
from tests.integration.rows import all_routes, count, execute, malformed_codes, rows
from tests.integration.storage.cancelling.test_cancellations import KEY, answers, asking
from tests.integration.stream_entries import wait_until_read

StartIntake = Callable[..., threading.Thread]
CANCELS = {"producer": "game-service", "cancels": KEY}


def of_intents(telemetry: Telemetry) -> dict[str, float]:
    """The counters of entries and of cancelled routes, by result or by channel."""
    names = ("intents_total", "routes_cancelled_total")
    return {labels[0]: n for (name, *labels), n in counters(telemetry).items() if name in names}


@pytest.fixture
def commits(database: Database) -> Acceptor:
    """An acceptor that nobody tells to stop."""
    return Acceptor(database, INTENTS, threading.Event(), lambda _ids: None)


def test_cancellations_are_committed_a_few_at_a_time(commits: Acceptor) -> None:
    """Each may be of thousands of routes: a transaction of many of them would outlast its timeout for ever (R20)."""
    entries = [asking(f"turn-{n}", entry_id=f"{n}-0") for n in range(60)]

    assert [len(part) for part, _ in commits.commit(entries)] == [25, 25, 10]


def test_an_entry_cancels_an_intent_and_is_counted(
    start_intake: StartIntake, context: Context, database: Database, redis_client: redis.Redis
) -> None:
    """One log line and one count for each entry: the cancellation, and its repetition."""
    accepted(database, [{"idempotency_key": KEY}])
    redis_client.xadd(INTENTS, CANCELS)
    redis_client.xadd(INTENTS, CANCELS | {"request_id": "again"})
    with capture_logs() as events:
        start_intake()
        wait_until_read(redis_client)

    assert {row["status"] for row in all_routes(database)} == {"cancelled"}
    assert of_intents(context.telemetry) == {
        "cancellation": 1,
        "repeated_cancellation": 1,
        "email": 1,
        "push": 1,
    }
    told = [event for event in events if event["event"] == "intents cancelled"]
    assert sum(event["routes"] for event in told) == 2


def test_a_cancellation_goes_before_the_intents_of_its_batch(commits: Acceptor, database: Database) -> None:
    """An intent that is taken back behind itself, in the same batch, is never pending and told to no worker."""
    entries = [incoming("1-0", idempotency_key=KEY), asking(entry_id="2-0"), incoming("3-0", idempotency_key="other")]

    parts = list(commits.commit(entries))

    assert [(part[0].entry_id, len(part)) for part, _ in parts] == [("2-0", 1), ("1-0", 2)]
    assert {channel: len(ids) for channel, ids in parts[1][1].due.items()} == {"email": 1, "push": 1}
    assert sorted(row["status"] for row in all_routes(database)) == ["cancelled"] * 2 + ["pending"] * 2
    assert answers(database) == [(True, False, 2, 0, 0)]


def test_a_cancellation_that_postgresql_refuses_is_malformed(
    commits: Acceptor, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It spoils nothing of its batch, and is recorded with its fields (R19, R21)."""
    refused = IncomingCancellation("1-0", ((b"cancels", b"k\x00"),), asking("k\0").cancellation)

    list(commits.commit([refused, asking(entry_id="2-0")]))

    assert malformed_codes(database) == [("1-0", "storage_refused")]
    assert [row["intent_entry_id"] for row in rows(database, "SELECT * FROM cancellations")] == ["2-0"]


def test_content_beside_the_key_is_malformed(
    start_intake: StartIntake, database: Database, redis_client: redis.Redis
) -> None:
    """An entry that is both is neither."""
    entry_id = redis_client.xadd(INTENTS, intent_fields(cancels=KEY)).decode()
    start_intake()
    wait_until_read(redis_client)

    assert malformed_codes(database) == [(entry_id, "unknown_field")]
    assert count(database, "cancellations") == 0


def test_a_replay_takes_cancellations_in_again(
    database: Database, redis_client: redis.Redis, start_intake: StartIntake, settled: Callable[[], None]
) -> None:
    """PostgreSQL lost both: the intent comes back as it was, cancelled, and the answer is given again (R12, R28)."""
    start_intake()
    redis_client.xadd(INTENTS, intent_fields(idempotency_key=KEY))
    redis_client.xadd(INTENTS, CANCELS)
    settled()
    lose_everything(database)
    execute(database, "TRUNCATE cancellations")
    execute(database, ANOTHER)

    settled()

    assert {row["status"] for row in all_routes(database)} == {"cancelled"}
    assert answers(database) == [(True, False, 2, 0, 0)]
    assert [(replay.seen, replay.replayed) for replay in latest_replays(database, [INTENTS], 1)] == [(2, 2)]
