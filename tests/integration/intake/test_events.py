"""The intake of delivery events: what becomes of the entries of their stream (R19, R21, R32)."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from actors.context import Context
from publisher.intake import event_acceptor
from storage.database import Database
from tests.factories import EVENTS, event_fields
from tests.integration.rows import all_routes, count, malformed_codes, rows
from tests.integration.storage.answers.test_delivery_events import UNKNOWN, deliveries
from tests.integration.stream_entries import wait_until_read
from tests.waiting import wait_until

StartEvents = Callable[..., threading.Thread]


def add(client: redis.Redis, *entries: dict[str, str]) -> list[str]:
    """Adds these entries to the stream of delivery events. Returns their ids."""
    return [client.xadd(EVENTS, dict(fields)).decode() for fields in entries]


def counted(context: Context) -> dict[tuple[str, ...], float]:
    """(channel, event, result) -> how many delivery events were counted."""
    [metric] = [m for m in context.telemetry.registry.collect() if m.name == "delivery_events"]
    return {tuple(s.labels.values()): s.value for s in metric.samples if s.name.endswith("_total")}


def test_events_answer_their_routes(
    context: Context, start_events: StartEvents, database: Database, redis_client: redis.Redis
) -> None:
    """Each is recorded with the entry that it came by, counted and acknowledged."""
    first, second = deliveries(database, 2)
    added = add(
        redis_client,
        event_fields(delivery_id=first, event_id="1"),
        event_fields(delivery_id=second, event="bounced", diagnostic="550 no ann@example.com\n"),
        event_fields(delivery_id=first, event_id="1"),
    )
    with capture_logs() as logs:
        start_events()
        wait_until_read(redis_client, EVENTS)

    found = rows(database, "SELECT event, stream_entry_id, diagnostic FROM delivery_events ORDER BY stream_entry_id")
    assert [tuple(row.values()) for row in found] == [
        ("accepted", added[0], None),
        ("bounced", added[1], "550 no a***@example.com"),
    ]
    assert [r["answer"] for r in all_routes(database)] == ["accepted", "bounced"]
    assert counted(context) == {
        ("email", "accepted", "new"): 1,
        ("email", "bounced", "new"): 1,
        ("email", "accepted", "known"): 1,
    }
    said = [(log["events"], log["known"]) for log in logs if log["event"] == "delivery events recorded"]
    assert said == [(2, 1)]


def test_events_that_are_none_are_malformed_and_stop_nothing(
    context: Context, start_events: StartEvents, database: Database, redis_client: redis.Redis
) -> None:
    """Of whatever form; an unknown delivery is malformed at once, and each keeps all its fields (R19)."""
    [known] = deliveries(database)
    entries = [
        event_fields(delivery_id=UNKNOWN, source="ses"),
        event_fields(delivery_id=known, event="opened"),
        event_fields(delivery_id=known),
    ]
    added = add(redis_client, *entries)
    start_events()
    wait_until_read(redis_client, EVENTS)

    assert malformed_codes(database) == [(added[0], "unknown_delivery"), (added[1], "invalid_field")]
    found = rows(database, "SELECT stream, raw_fields FROM malformed_intents ORDER BY id")
    assert [row["raw_fields"] for row in found] == entries[:2]
    assert {row["stream"] for row in found} == {EVENTS}
    assert count(database, "delivery_events") == 1
    wait_until(lambda: counted(context).get(("", "", "malformed")) == 2, describe=lambda: counted(context))


def test_events_are_committed_in_batches(
    start_events: StartEvents, database: Database, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One transaction takes up to a batch of entries (R21)."""
    sizes: list[int] = []
    whole = event_acceptor.take_in

    def noting(*arguments: Any) -> Any:
        sizes.append(len(arguments[2]))
        return whole(*arguments)

    monkeypatch.setattr(event_acceptor, "take_in", noting)
    [known] = deliveries(database)
    add(redis_client, *(event_fields(delivery_id=known) for _ in range(25)))
    start_events(batch=10)
    wait_until_read(redis_client, EVENTS)

    assert sizes == [10, 10, 5]


def test_an_event_that_postgresql_refuses_spoils_no_other(
    start_events: StartEvents, database: Database, redis_client: redis.Redis
) -> None:
    """It is recorded as malformed, by itself (R19a, R21)."""
    with database.unit() as connection:
        connection.execute_sql("ALTER TABLE delivery_events ADD CHECK (source <> 'ses')")
    [known] = deliveries(database)
    added = add(redis_client, *(event_fields(delivery_id=known, source=source) for source in ("a", "ses", "b")))
    start_events()
    wait_until_read(redis_client, EVENTS)

    assert malformed_codes(database) == [(added[1], "storage_refused")]
    assert count(database, "delivery_events") == 2


def test_an_event_id_that_names_another_delivery_is_malformed(
    start_events: StartEvents, database: Database, redis_client: redis.Redis
) -> None:
    """In one batch and in two: nothing of it is lost, and its reason names the id and that delivery (R19, R32)."""
    first, second = deliveries(database, 2)
    one = event_fields(delivery_id=first, event_id="1 of ann@example.com")
    other = one | {"delivery_id": second, "event": "bounced"}
    added = add(redis_client, one, other, other | {"source": "ses"})
    start_events()
    wait_until_read(redis_client, EVENTS)
    late = add(redis_client, other, one)
    wait_until_read(redis_client, EVENTS)

    reason = (
        f"event_id: this source has used '1 of a***@example.com' for another delivery, {first!r}: every event needs an"
        " id of its own"
    )
    found = rows(database, "SELECT stream_entry_id, failure_code, failure_message, raw_fields FROM malformed_intents")
    assert [tuple(row.values()) for row in found] == [
        (entry_id, "event_conflict", reason, other) for entry_id in (added[1], late[0])
    ]
    assert count(database, "delivery_events") == 2
