"""Accepting intents: each once, a batch in one transaction (R18, R20, R21)."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from publisher.domain.errors import DatabaseRefused
from publisher.domain.notification import notification_id_of
from storage.accepting.intents import IncomingIntent
from storage.database import Database
from tests.factories import INSTANT, INTENTS, accept, accepted, incoming
from tests.integration.rows import all_routes, execute, rows


def notifications(database: Database) -> list[dict[str, Any]]:
    return rows(database, "SELECT *, payload::text AS payload FROM notifications ORDER BY idempotency_key")


def test_an_intent_becomes_a_notification(database: Database) -> None:
    """An accepted intent is kept whole, under the id derived from producer and idempotency key (R1, R2)."""
    one = incoming(idempotency_key="turn-17", request_id="r-1", trace_id="t-1")

    accepted_ = accept(database, INTENTS, [one], [])

    [row] = notifications(database)
    assert accepted_.accepted == [one]
    assert str(row.pop("notification_id")) == notification_id_of("game-service", "turn-17")
    accepted_at = row.pop("accepted_at")
    assert bytes(row.pop("request_fingerprint")).hex() == one.intent.fingerprint
    assert row == {
        "id": 1,
        "notification_type": "game.turn.ready",
        "producer": "game-service",
        "audience_kind": "user",
        "idempotency_key": "turn-17",
        "payload": one.intent.payload,
        "request_id": "r-1",
        "trace_id": "t-1",
        "occurred_at": INSTANT,
        "expires_at": None,
        "not_before": None,
        "intent_entry_id": "1-0",
    }
    assert abs(datetime.now(UTC) - accepted_at) < timedelta(minutes=1)
    assert accepted_at.microsecond % 1000 == 0


def test_a_route_has_the_type_producer_and_lane_of_its_intent(database: Database) -> None:
    """A claim chooses by them without a look at the notification; a lane that is left out is normal (R31)."""
    accept(database, INTENTS, [incoming(lane="bulk"), incoming(notification_type="shop.order", producer="shop")], [])

    assert rows(database, "SELECT DISTINCT notification_type, producer, lane FROM routes ORDER BY lane") == [
        {"notification_type": "game.turn.ready", "producer": "game-service", "lane": "bulk"},
        {"notification_type": "shop.order", "producer": "shop", "lane": "normal"},
    ]


@pytest.mark.parametrize(("not_before_ms", "waits"), [("4102444800000", True), ("1773480413589", False)])
def test_a_route_is_not_due_before_the_time_that_its_producer_named(
    database: Database, not_before_ms: str, waits: bool
) -> None:
    """Its first attempt is due then, and no message is to be sent about it; a time that has passed is no time (R4)."""
    accepted_ = accept(database, INTENTS, [incoming(not_before_ms=not_before_ms)], [])

    named = datetime.fromtimestamp(int(not_before_ms) / 1000, UTC)
    [notification] = notifications(database)
    assert notification["not_before"] == named
    assert bool(accepted_.due) is not waits
    assert {row["next_attempt_at"] == named for row in all_routes(database) if row["next_attempt_at"]} == {waits}


def test_a_trigger_that_changes_the_new_row_takes_no_routes_away(database: Database) -> None:
    """Somebody's trigger may change a notification in a subtransaction: it has its routes all the same (R1, R3)."""
    execute(
        database,
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN"
        "  BEGIN UPDATE notifications SET trace_id = ''noted'' WHERE id = new.id;"
        "  EXCEPTION WHEN others THEN RAISE; END; RETURN NULL; END'",
    )
    execute(database, "CREATE TRIGGER note AFTER INSERT ON notifications FOR EACH ROW EXECUTE FUNCTION note()")
    one = incoming()

    assert accept(database, INTENTS, [one], []).accepted == [one]

    assert [n["trace_id"] for n in notifications(database)] == ["noted"]
    assert [r["channel"] for r in all_routes(database)] == ["email", "push"]


def test_an_intent_becomes_routes(database: Database) -> None:
    """A route per recipient and channel is made, pending and due at once, with all its attempts before it (R3)."""
    recipients = [{"user_id": "7", "email": "ann@example.com", "locale": "de"}]

    accepted(database, [{"recipients_json": recipients}])

    email, push = all_routes(database)
    assert [email["route_id"], push["route_id"]] == ["email:user:7", "push:user:7"]
    assert [email["max_attempts"], push["max_attempts"]] == [16, 6]
    for row in (email, push):
        assert (row["status"], row["attempt_count"], row["lease_loss_count"]) == ("pending", 0, 0)
        assert (row["recipient_ref"], row["resolved_email"], row["resolved_locale"]) == (
            "user:7",
            "ann@example.com",
            "de",
        )
        assert row["next_attempt_at"] == row["created_at"] == row["updated_at"]
        assert row["created_at"].microsecond % 1000 == 0


def test_due_routes_are_named_by_channel(database: Database) -> None:
    """What can be published at once is named by channel: new routes, and none that are skipped (R3)."""
    with_address = {"user_id": "7", "email": "ann@example.com"}
    without = {"user_id": "8"}

    due = accepted(database, [{"recipients_json": [with_address, without]}, {"channels_json": ["push"]}]).due

    by_key = {row["id"]: (row["channel"], row["recipient_ref"], row["status"]) for row in all_routes(database)}
    assert {channel: [by_key.pop(key) for key in keys] for channel, keys in due.items()} == {
        "email": [("email", "user:7", "pending")],
        "push": [("push", f"user:{n}", "pending") for n in (7, 8, 7)],
    }
    assert list(by_key.values()) == [("email", "user:8", "skipped")]


def test_a_route_without_an_address_is_skipped(database: Database) -> None:
    """A recipient without an address for a channel has a skipped route there, which is never due (R3)."""
    due = accepted(database, [{"recipients_json": [{"user_id": "7"}], "channels_json": ["email"]}]).due

    [row] = all_routes(database)
    assert due == {}
    assert (row["status"], row["next_attempt_at"]) == ("skipped", None)


@pytest.mark.parametrize(
    "text",
    [
        '{ "b":1 ,"a": [1.0, 1e2, 12345678901234567890.10] }',
        '{"a":"\\u00e9\\ud83c\\udfb2 é 🎲 \\u0000 \\/"}',
        '{"lone":"\\ud800"}',
        '\t{\r\n"a" :null}\n',
        "{}",
        json.dumps({"text": "x" * (256 * 1024 - 12)}),
    ],
)
def test_a_payload_is_kept_as_it_was_written(database: Database, text: str) -> None:
    """The payload's text is kept to the byte: order, white space, escapes and digits."""
    accepted(database, [{"payload_json": text}])

    assert notifications(database)[0]["payload"] == text


def test_the_same_content_again_changes_nothing(database: Database) -> None:
    """An intent that was accepted before is a duplicate: acknowledged, and nothing made of it (R18)."""
    accept(database, INTENTS, [incoming("1-0", idempotency_key="k", request_id="first")], [])
    before = notifications(database), all_routes(database)
    again = incoming("2-0", idempotency_key="k", request_id="second", payload_json='{"turn":17,"game":"chess"}')

    repeated = accept(database, INTENTS, [again], [])

    assert repeated.duplicates == [again]
    assert (list(repeated.accepted), list(repeated.malformed), repeated.due) == ([], [], {})
    assert (notifications(database), all_routes(database)) == before


def test_the_same_content_twice_in_a_batch_is_accepted_once(database: Database) -> None:
    """Of the same intent twice in one batch the first is accepted, the second a duplicate (R18)."""
    first, second = (incoming(f"{n}-0", idempotency_key="k", request_id=str(n)) for n in (1, 2))

    batch = accept(database, INTENTS, [first, second], [])

    assert (list(batch.accepted), list(batch.duplicates)) == ([first], [second])
    assert [row["request_id"] for row in notifications(database)] == ["1"]
    assert len(all_routes(database)) == 2


def test_a_batch_is_accepted_again_after_its_commit(database: Database) -> None:
    """A batch that was committed and not acknowledged is read again: all duplicates, nothing made twice (R20)."""
    batch = [incoming(f"{n}-0", idempotency_key=f"k{n}") for n in range(5)]
    accept(database, INTENTS, batch, [])
    before = notifications(database), all_routes(database)

    again = accept(database, INTENTS, batch, [])

    assert list(again.duplicates) == batch
    assert (notifications(database), all_routes(database)) == before


def test_the_same_key_of_two_producers_is_two_notifications(database: Database) -> None:
    """An idempotency key is one producer's own (R18)."""
    batch = accepted(database, [{"idempotency_key": "k", "producer": producer} for producer in ("a", "b")])

    assert len(batch.accepted) == len(notifications(database)) == 2


def test_a_thousand_recipients_are_accepted(database: Database) -> None:
    """The largest intent, a thousand recipients on every channel, is accepted whole."""
    recipients = [{"user_id": str(n), "email": f"user{n}@example.com"} for n in range(1000)]

    due = accepted(database, [{"recipients_json": recipients}]).due

    assert {channel: len(set(ids)) for channel, ids in due.items()} == {"email": 1000, "push": 1000}
    assert len({row["route_id"] for row in all_routes(database)}) == 2000


def test_the_longest_address_is_accepted(database: Database) -> None:
    """The longest address that an intent may hold fits the routes' index, in any script."""
    letters = "".join(chr(0x20000 + n) for n in range(500))
    recipients = [{"email": f"{letters}@example.com"}]

    accepted(database, [{"audience_kind": "admin_email", "recipients_json": recipients}])

    assert all_routes(database)[0]["route_id"] == f"email:address:{letters}@example.com"


def test_an_empty_batch_is_accepted(database: Database) -> None:
    """A batch of nothing makes nothing."""
    batch = accept(database, INTENTS, [], [])

    assert [list(part) for part in (batch.accepted, batch.duplicates, batch.malformed)] == [[], [], []]
    assert batch.due == {}


def test_a_batch_is_recorded_all_or_none(database: Database) -> None:
    """If PostgreSQL refuses one entry, nothing of its transaction stays, so that each may be tried alone (R21)."""
    good, bad = incoming("1-0"), incoming("2-0")
    refused = IncomingIntent(bad.entry_id, bad.raw, bad.intent, [replace(r, max_attempts=0) for r in bad.routes])

    with pytest.raises(DatabaseRefused, match="routes_attempts_are_within_bounds"):
        accept(database, INTENTS, [good, refused], [])

    assert (notifications(database), all_routes(database)) == ([], [])
    assert accept(database, INTENTS, [good], []).accepted == [good]
