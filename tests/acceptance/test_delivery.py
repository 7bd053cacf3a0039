"""From an intent on the stream to commands on theirs, through the real processes."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.outside import EMAIL, NO_SCANS, PUSH, Outside, users
from tests.conftest import connected
from tests.factories import intent_fields
from tests.processes import Processes

ACCEPTED = "SELECT notification_id::text, extract(epoch FROM accepted_at) * 1000 AS accepted_ms FROM notifications"


@pytest.fixture
def running(processes: Processes) -> Processes:
    """A worker, a clock and an intake."""
    for name in ("worker", "clock", "intake"):
        processes.start(name)
    return processes


def test_an_intent_becomes_one_command_per_channel_with_every_field_as_promised(
    running: Processes, outside: Outside
) -> None:
    """A user's intent becomes a delivery command for mail and a client event for the gateway (R6)."""
    payload = '{"game": "Schach ♞", "turn": 17, "odds": 0.10}'
    outside.send(
        intent_fields(
            recipients_json=[{"user_id": "7", "email": "ann@example.com", "locale": "de-CH"}],
            payload_json=payload,
            request_id="request-1",
            trace_id="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        )
    )

    outside.wait_for_routes(published=2)

    accepted = outside.row(ACCEPTED)
    delivery_id = f"{accepted['notification_id']}/email:user:7"
    (email,) = outside.commands(EMAIL)
    assert json.loads(email.pop("payload_json")) == {
        "to": ["ann@example.com"],
        "cc": [],
        "bcc": [],
        "reply_to": [],
        "template_id": "game.turn.ready",
        "locale": "de-CH",
        "variables": {"game": "Schach ♞", "turn": 17, "odds": 0.1},
        "attachments": [],
    }
    assert email == {
        "delivery_id": delivery_id,
        "source": "notification",
        "payload_mode": "template",
        "idempotency_key": f"notification:{delivery_id}",
        "requested_at_ms": str(int(accepted["accepted_ms"])),
        "request_id": "request-1",
        "trace_id": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }
    (event,) = outside.commands(PUSH)
    assert json.loads(event.pop("payload_json")) == json.loads(payload)
    assert event == {
        "event_id": f"{accepted['notification_id']}/push:user:7",
        "user_id": "7",
        "event_type": "game.turn.ready",
        "occurred_at_ms": "1773480413589",
        "request_id": "request-1",
        "trace_id": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }


def test_what_an_intent_leaves_out_stays_out(running: Processes, outside: Outside) -> None:
    """Without ids the command has none, without a locale it is `en`, an address goes to email alone."""
    outside.send(
        intent_fields(audience_kind="admin_email", recipients_json=[{"email": "ops@example.com"}]),
    )

    outside.wait_for_routes(published=1)

    (email,) = outside.commands(EMAIL)
    assert set(email) == {
        *("delivery_id", "source", "payload_mode", "idempotency_key", "requested_at_ms", "payload_json"),
    }
    assert email["delivery_id"].endswith("/email:address:ops@example.com")
    assert json.loads(email["payload_json"])["locale"] == "en"
    assert outside.commands(PUSH) == []


def test_a_repeated_intent_changes_nothing_and_a_changed_one_is_a_conflict(
    running: Processes, outside: Outside
) -> None:
    """The same content again is acknowledged and published once; other content is kept as a conflict (R18)."""
    first = intent_fields(idempotency_key="turn-17", request_id="first")
    again = first | {"request_id": "second", "payload_json": '{"turn":17,   "game":"chess"}'}
    other = first | {"payload_json": '{"game": "go", "turn": 17}'}

    ids = outside.send(first, again, other)
    outside.wait_for_routes(published=2)
    ids += outside.send(again, other)
    outside.wait_until_acknowledged()
    outside.send(intent_fields(idempotency_key="turn-18"))
    outside.wait_for_routes(published=4)

    assert sorted(outside.deliveries(EMAIL).values()) == [1, 1]
    assert sorted(outside.deliveries(PUSH).values()) == [1, 1]
    conflicts = outside.rows("SELECT stream_entry_id, failure_code FROM malformed_intents ORDER BY id")
    assert conflicts == [{"stream_entry_id": id_, "failure_code": "idempotency_conflict"} for id_ in (ids[2], ids[4])]
    assert outside.rows("SELECT request_id FROM notifications WHERE idempotency_key = 'turn-17'") == [
        {"request_id": "first"}
    ]


BROKEN: list[dict[str, object]] = [
    {"producer": None},
    {"surprise": "field"},
    {"payload_json": "{not json"},
    {"payload_json": "[1, 2]"},
    {"recipients_json": [{"user_id": "7"}, {"user_id": "7"}]},
    {"recipients_json": "[" * 5000},
    {"occurred_at_ms": "yesterday"},
    {"channels_json": ["pigeon"]},
    {"notification_type": "Game Turn"},
    {"idempotency_key": "line\nbreak"},
]


def test_hundreds_of_malformed_intents_among_good_ones_harm_none_of_them(running: Processes, outside: Outside) -> None:
    """Every malformed entry is kept whole and acknowledged, every good one is published (R19, R21)."""
    entries: list[dict[Any, Any]] = []
    for n in range(300):
        entries.append(intent_fields(idempotency_key=f"good-{n}", channels_json=["email"]))
        entries.append(intent_fields(**{"idempotency_key": f"bad-{n}"} | BROKEN[n % len(BROKEN)]))
    entries.append({b"notification_type": b"\xff\xfe", b"payload_json": b"\x00\x01"})

    ids = outside.send(*entries)
    outside.wait_for_routes(published=300)
    outside.wait_until_acknowledged()

    assert set(outside.deliveries(EMAIL).values()) == {1}
    kept = outside.rows("SELECT stream_entry_id, raw_fields FROM malformed_intents WHERE failure_message <> ''")
    not_text = {"notification_type": {"base64": "//4="}, "payload_json": {"base64": "AAE="}}
    assert {k["stream_entry_id"]: k["raw_fields"] for k in kept} == dict(
        zip(ids[1::2] + ids[-1:], [*entries[1::2], not_text], strict=True)
    )


def test_a_recipient_without_an_address_is_skipped_on_that_channel_alone(running: Processes, outside: Outside) -> None:
    """No address, no email route to publish; the push route is none the worse for it (R3)."""
    outside.send(intent_fields(recipients_json=[{"user_id": "7"}, {"user_id": "8", "email": "ben@example.com"}]))

    outside.wait_for_routes(published=3, skipped=1)

    assert outside.row("SELECT route_id FROM routes WHERE status = 'skipped'") == {"route_id": "email:user:7"}
    assert [key.rpartition("/")[2] for key in outside.deliveries(EMAIL)] == ["email:user:8"]
    assert len(outside.deliveries(PUSH)) == 2


def test_on_an_idle_system_a_command_follows_its_intent_without_a_scan(
    processes: Processes, environ: dict[str, str], outside: Outside
) -> None:
    """Intake tells the workers of what it accepted: nothing waits for the next scan, an hour away."""
    environ |= NO_SCANS
    processes.start("worker")
    processes.start("intake")
    outside.send(intent_fields())
    outside.wait_for_routes(published=2)

    outside.send(intent_fields())

    outside.wait_for_routes(published=4)


def test_a_replay_into_an_empty_database_gives_the_same_ids(
    processes: Processes, outside: Outside, create_database: Callable[[str], str], template: str
) -> None:
    """The intents read again from the start have the ids they had, and their commands stay alone (R1, R12)."""
    outside.send(*(intent_fields(idempotency_key=f"turn-{n}", recipients_json=users(3)) for n in range(20)))
    processes.start("worker")
    processes.start("intake")
    outside.wait_for_routes(published=120)
    processes.kill_all()
    empty = create_database(template)

    processes.start("worker", DATABASE_URL=empty)
    processes.start("intake", DATABASE_URL=empty, PUBLISHER_INTENTS_GROUP="replay")

    entries = (
        "SELECT notification_id || '/' || route_id AS delivery_id, stream_entry_id"
        " FROM routes JOIN notifications AS n ON n.id = notification_key"
    )
    with connected(empty) as connection:
        replayed = Outside(connection, outside.redis)
        replayed.wait_for_routes(published=120)
        assert _by_delivery(replayed.rows(entries)) == _by_delivery(outside.rows(entries))
    assert outside.deliveries(EMAIL) + outside.deliveries(PUSH) == Counter(_by_delivery(outside.rows(entries)).keys())


def _by_delivery(rows: list[dict[str, str]]) -> dict[str, str]:
    return {row["delivery_id"]: row["stream_entry_id"] for row in rows}
