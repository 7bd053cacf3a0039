"""Intake: what becomes of the entries of the intents stream (R18, R19, R21)."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis

from actors.context import Context
from publisher.intake import acceptor
from storage.database import Database
from tests.factories import INTENTS, intent_fields
from tests.integration.dramatiq_messages import held
from tests.integration.rows import all_routes, execute, rows
from tests.integration.stream_entries import consumers, send_intents, wait_until_read
from tests.waiting import wait_until

StartIntake = Callable[..., threading.Thread]


def add(client: redis.Redis, *fields: tuple[bytes | str, bytes | str]) -> str:
    """Adds an entry with these fields, repeated ones too."""
    entry_id: bytes = client.execute_command("XADD", INTENTS, "*", *(part for pair in fields for part in pair))
    return entry_id.decode()


def wait_for_counts(context: Context, **expected: int) -> None:
    """Returns once the counters stand so: they follow the acknowledgement."""

    def counts() -> dict[str, float | None]:
        registry = context.telemetry.registry
        return {result: registry.get_sample_value("intents_total", {"result": result}) for result in expected}

    wait_until(lambda: counts() == {result: count or None for result, count in expected.items()}, describe=counts)


def notifications(database: Database) -> list[dict[str, Any]]:
    return rows(database, "SELECT * FROM notifications ORDER BY accepted_at")


def malformed(database: Database) -> list[dict[str, Any]]:
    return rows(database, "SELECT * FROM malformed_intents ORDER BY id")


def test_intents_become_notifications_with_routes(
    context: Context, start_intake: StartIntake, database: Database, redis_client: redis.Redis
) -> None:
    """Every intent becomes one notification with a route for each recipient and channel, and is acknowledged."""
    send_intents(redis_client, 5)
    start_intake()

    wait_until_read(redis_client)

    assert len(notifications(database)) == 5
    assert [r["channel"] for r in all_routes(database)] == ["email", "push"] * 5
    wait_for_counts(context, accepted=5, malformed=0)
    assert malformed(database) == []


def test_intents_are_accepted_in_batches(
    start_intake: StartIntake, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One transaction takes up to a batch of entries (R21)."""
    sizes: list[int] = []
    whole = acceptor.accept_new

    def noting(*arguments: Any) -> Any:
        sizes.append(len(arguments[1]))
        return whole(*arguments)

    monkeypatch.setattr(acceptor, "accept_new", noting)
    send_intents(redis_client, 25)
    start_intake(batch=10)

    wait_until_read(redis_client)

    assert sizes == [10, 10, 5]


def test_each_channels_workers_are_told_at_once(
    start_intake: StartIntake, database: Database, redis_client: redis.Redis
) -> None:
    """Right after the commit each channel's queue holds messages that name the new routes, a batch at most each."""
    users = [{"user_id": str(n), "email": f"user{n}@example.com"} for n in range(25)]
    send_intents(redis_client, recipients_json=users)
    start_intake(batch=10)

    wait_until_read(redis_client)

    for channel in ("email", "push"):
        told = [message["args"] for message in held(redis_client, channel)]
        assert sorted(len(ids) for _, ids in told) == [5, 10, 10]
        assert sorted(id_ for _, ids in told for id_ in ids) == [
            route["id"] for route in all_routes(database) if route["channel"] == channel
        ]


def test_nobody_is_told_of_skipped_routes(
    start_intake: StartIntake, database: Database, redis_client: redis.Redis
) -> None:
    """A recipient without an address for a channel has a skipped route there, and no message (R3)."""
    send_intents(redis_client, recipients_json=[{"user_id": "7"}])
    start_intake()

    wait_until_read(redis_client)

    assert {r["channel"]: r["status"] for r in all_routes(database)} == {"email": "skipped", "push": "pending"}
    assert held(redis_client, "email") == []


def test_the_same_content_again_changes_nothing(
    context: Context, start_intake: StartIntake, database: Database, redis_client: redis.Redis
) -> None:
    """A repetition is acknowledged and changes nothing, in the same batch or later (R18)."""
    send_intents(redis_client, 2, idempotency_key="k", request_id="first")
    start_intake()
    wait_until_read(redis_client)
    before = all_routes(database)

    send_intents(redis_client, 1, idempotency_key="k", request_id="second")
    wait_until_read(redis_client)

    assert [n["request_id"] for n in notifications(database)] == ["first"]
    assert all_routes(database) == before
    wait_for_counts(context, accepted=1, duplicate=2)


def test_other_content_under_a_known_key_is_a_conflict(
    context: Context, start_intake: StartIntake, database: Database, redis_client: redis.Redis
) -> None:
    """Other content under an accepted key is recorded as malformed, and the first stays as it was (R18)."""
    send_intents(redis_client, idempotency_key="k", payload_json={"turn": 1})
    [conflicting] = send_intents(redis_client, idempotency_key="k", payload_json={"turn": 2})
    start_intake()

    wait_until_read(redis_client)

    [notification] = notifications(database)
    assert notification["payload"] == {"turn": 1}
    [record] = malformed(database)
    assert (record["stream_entry_id"], record["failure_code"]) == (conflicting, "idempotency_conflict")
    wait_for_counts(context, conflict=1, malformed=0)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"producer": None}, "missing_field"),
        ({"colour": "red"}, "unknown_field"),
        ({"audience_kind": "everyone"}, "invalid_field"),
        ({"payload_json": "{"}, "invalid_json"),
        ({"payload_json": '"' + "x" * 300_000 + '"'}, "too_large"),
        ({"channels_json": ["fax"]}, "unknown_channel"),
        ({"recipients_json": [{"user_id": "7"}, {"user_id": "7"}]}, "duplicate_recipient"),
        ({"producer": "game\nservice"}, "control_character"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_malformed_intent_is_recorded_whole_and_stops_nothing(
    changes: dict[str, Any],
    code: str,
    context: Context,
    start_intake: StartIntake,
    database: Database,
    redis_client: redis.Redis,
) -> None:
    """An intent that breaks the contract is recorded with its fields and acknowledged; its neighbours are
    accepted (R19, R21)."""
    fields = intent_fields(**changes)
    send_intents(redis_client)
    bad = redis_client.xadd(INTENTS, fields).decode()
    send_intents(redis_client)
    start_intake()

    wait_until_read(redis_client)

    [record] = malformed(database)
    assert (record["stream"], record["stream_entry_id"], record["failure_code"]) == (INTENTS, bad, code)
    assert record["failure_message"]
    assert record["raw_fields"] == fields
    assert len(notifications(database)) == 2
    wait_for_counts(context, accepted=2, malformed=1)


def test_bytes_that_are_no_text_are_recorded_too(
    start_intake: StartIntake, database: Database, redis_client: redis.Redis
) -> None:
    """Bytes that are no UTF-8, NUL and repeated fields make an intent malformed, and are all kept (R19)."""
    add(redis_client, (b"\xff", b"1"))
    add(redis_client, ("a", "\0"), ("a", "2"))
    start_intake()

    wait_until_read(redis_client)

    assert [(m["failure_code"], m["raw_fields"]) for m in malformed(database)] == [
        ("invalid_utf8", {"base64:/w==": "1"}),
        ("duplicate_field", {"a": [{"base64": "AA=="}, "2"]}),
    ]


def test_an_entry_that_postgresql_refuses_spoils_nothing(
    context: Context, start_intake: StartIntake, database: Database, redis_client: redis.Redis
) -> None:
    """An intent that PostgreSQL itself refuses is recorded as malformed, its neighbours accepted (R21)."""
    execute(
        database,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RAISE ''not this'' USING ERRCODE = ''check_violation''; END'",
    )
    execute(
        database,
        "CREATE TRIGGER refuse BEFORE INSERT ON notifications FOR EACH ROW"
        " WHEN (new.notification_type = 'refused') EXECUTE FUNCTION refuse()",
    )
    send_intents(redis_client, 2)
    [refused] = send_intents(redis_client, notification_type="refused")
    add(redis_client, ("malformed", "too"))
    send_intents(redis_client, 2)
    start_intake()

    wait_until_read(redis_client)

    assert len(notifications(database)) == 4
    by_code = {m["failure_code"]: m for m in malformed(database)}
    assert sorted(by_code) == ["missing_field", "storage_refused"]
    assert by_code["storage_refused"]["stream_entry_id"] == refused
    assert "not this" in by_code["storage_refused"]["failure_message"]
    wait_for_counts(context, accepted=4, malformed=2)
    told = [id_ for message in held(redis_client, "push") for id_ in message["args"][1]]
    assert sorted(told) == [r["id"] for r in all_routes(database) if r["channel"] == "push"]


def test_many_intakes_accept_each_intent_once(
    start_intake: StartIntake, database: Database, redis_client: redis.Redis
) -> None:
    """Several intakes share the stream: every intent is accepted once (R15)."""
    for name in ("one", "two", "three"):
        start_intake(name)
    wait_until(lambda: redis_client.exists(INTENTS))
    sent: list[str] = []
    # Redis 7.0 knows a consumer from its first entry on.
    while consumers(redis_client) != {"one", "two", "three"}:
        sent += send_intents(redis_client)
        wait_until_read(redis_client)
    sent += send_intents(redis_client, 200)

    wait_until_read(redis_client)

    assert len(notifications(database)) == len(sent)
