"""Intents over HTTP: committed before they are answered, and each answered for itself (R18, R20, R21, R28)."""

import json
from collections.abc import Sequence
from typing import Any

from starlette.testclient import TestClient

from publisher.domain.door_ids import is_door_id
from storage.database import Database
from storage.notifications import notifications_of_ids
from tests.factories import accepted, event_fields, intent, intent_fields
from tests.integration.rows import execute, rows
from tests.integration.web.door.conftest import Token


def written(key: str = "turn-17", **fields: Any) -> dict[str, Any]:
    """An intent as a producer writes it in JSON; None leaves a field out."""
    whole: dict[str, Any] = intent_fields(idempotency_key=key, recipients_json=None, payload_json=None)
    whole |= {"recipients": [{"user_id": "7", "email": "ann@example.com"}], "payload": {"turn": 17}} | fields
    return {name: value for name, value in whole.items() if value is not None}


def test_an_intent_is_committed_before_it_is_answered(
    database: Database, door: TestClient, told: Sequence[tuple[str, str, Sequence[int]]]
) -> None:
    """201 with the notification's id; its routes are there, and the workers are told of them."""
    answer = door.post("/v1/intents", json=written())

    assert answer.status_code == 201, answer.text
    id_ = intent(idempotency_key="turn-17").notification_id
    assert answer.json() == {"result": "accepted", "notification_id": id_}
    [found] = notifications_of_ids(database, [id_])
    assert found.producer == "game-service"
    assert is_door_id(str(found.intent_entry_id))
    keys = [row["id"] for row in rows(database, "SELECT id FROM routes ORDER BY id")]
    assert sorted(key for _, _, ids in told for key in ids) == keys
    assert {channel for channel, _, _ in told} == {"email", "push"}


def test_a_repetition_changes_nothing_and_other_content_is_a_conflict(database: Database, door: TestClient) -> None:
    """200 for the same content under a key, 409 for another; the second is kept nowhere (R18, R19)."""
    door.post("/v1/intents", json=written())

    again = door.post("/v1/intents", json=written(request_id="another"))
    other = door.post("/v1/intents", json=written(payload={"turn": 18}))

    id_ = intent(idempotency_key="turn-17").notification_id
    assert (again.status_code, again.json()) == (200, {"result": "duplicate", "notification_id": id_})
    assert other.status_code == 409
    assert other.headers["content-type"] == "application/problem+json"
    assert (other.json()["code"], other.json()["notification_id"]) == ("idempotency_conflict", id_)
    assert rows(database, "SELECT * FROM malformed_intents") == []


def test_what_came_by_the_stream_is_known_to_the_door(database: Database, door: TestClient) -> None:
    """A producer who changes from the one to the other repeats nothing: the key counts, whichever way it came."""
    accepted(database, [intent_fields(idempotency_key="turn-17")])

    answer = door.post("/v1/intents", json=written(payload={"game": "chess", "turn": 17}))

    assert (answer.status_code, answer.json()["result"]) == (200, "duplicate")


def test_an_array_has_a_result_for_each(door: TestClient) -> None:
    """One bad intent spoils no other (R21); each has the status that it would have alone."""
    door.post("/v1/intents", json=written("known"))
    sent = [
        written("new"),
        written("new"),
        written("known"),
        written("known", payload={}),
        written("bad", audience_kind="users"),
        written("foreign", producer="shop"),
        7,
        {"cancels": "later"},
        written("later", producer=None),
    ]

    results = door.post("/v1/intents", json=sent).json()["results"]

    assert [(r["status"], r["result"]) for r in results] == [
        (201, "accepted"),
        (200, "duplicate"),
        (200, "duplicate"),
        (409, "conflict"),
        (422, "refused"),
        (403, "refused"),
        (422, "refused"),
        (201, "cancelled"),
        (201, "accepted"),
    ]
    assert (results[4]["field"], results[4]["code"]) == ("audience_kind", "invalid_field")
    assert results[5]["field"] == "producer"
    assert results[0]["notification_id"] == results[1]["notification_id"]


def test_an_intent_that_was_cancelled_before_it_came_is_cancelled_on_arrival(
    database: Database, door: TestClient
) -> None:
    """The cancellation comes first, and is answered again with 200 (R28)."""
    first, again = (door.post("/v1/intents", json={"cancels": "turn-17"}) for _ in range(2))
    came = door.post("/v1/intents", json=written())

    assert [(a.status_code, a.json()["result"]) for a in (first, again, came)] == [
        (201, "cancelled"),
        (200, "cancelled_before"),
        (201, "accepted"),
    ]
    assert {row["status"] for row in rows(database, "SELECT status FROM routes")} == {"cancelled"}


def test_the_payload_is_kept_as_it_was_written(database: Database, door: TestClient) -> None:
    """1.10 stays 1.10, and a number of many digits keeps them."""
    payload = '{"price":  1.10, "n": 12345678901234567.89, "text": "Zo\\u00eb\\u0000"}'
    body = json.dumps(written(payload=None))[:-1] + f', "payload": {payload}}}'

    answer = door.post("/v1/intents", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 201, answer.text
    assert rows(database, "SELECT payload::text FROM notifications")[0]["payload"] == payload


def test_the_producer_is_the_tokens(door: TestClient, token: Token) -> None:
    """It may be left out; another one is refused, whoever sends it."""
    assert door.post("/v1/intents", json=written(producer=None)).status_code == 201
    refused = door.post("/v1/intents", json=written(producer="shop"))
    assert (refused.status_code, refused.json()["field"]) == (403, "producer")
    own = door.post("/v1/intents", json=written(producer=None), headers={"authorization": f"Bearer {token('shop')}"})
    assert own.json()["notification_id"] == intent(producer="shop", idempotency_key="turn-17").notification_id


def test_what_is_wrong_is_told_with_its_field(database: Database, door: TestClient) -> None:
    """422 with field and reason; nothing of it is kept (R19)."""
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({"idempotency_key": None}, "idempotency_key", "missing_field"),
        ({"colour": "red"}, "colour", "unknown_field"),
        ({"recipients": []}, "recipients", "invalid_field"),
        ({"recipients": [{"user_id": "7"}, {"user_id": "7"}]}, "recipients", "duplicate_recipient"),
        ({"channels": ["fax"]}, "channels", "unknown_channel"),
        ({"payload": []}, "payload", "invalid_field"),
        ({"payload": {"x": "y" * 300_000}}, "payload", "too_large"),
        ({"notification_type": "a\u0000b"}, "notification_type", "invalid_field"),
        ({"request_id": "a\u0000b"}, "request_id", "control_character"),
    ]
    for fields, field, code in wrong:
        answer = door.post("/v1/intents", json=written(**fields))
        assert (answer.status_code, answer.json()["field"], answer.json()["code"]) == (422, field, code), answer.text
    assert rows(database, "SELECT * FROM malformed_intents") == []


def test_a_value_that_postgresql_refuses_spoils_no_other(database: Database, door: TestClient) -> None:
    """422 for the one that it is in, also of cancellations and of delivery events (R19a, R21)."""
    for table, column in (
        ("notifications", "idempotency_key"),
        ("cancellations", "idempotency_key"),
        ("delivery_events", "event_id"),
    ):
        execute(database, f"ALTER TABLE {table} ADD CHECK ({column} <> 'refused')")
    keys = ("one", "refused", "two")

    intents = door.post("/v1/intents", json=[written(key) for key in keys]).json()["results"]
    cancellations = door.post("/v1/intents", json=[{"cancels": key} for key in keys]).json()["results"]
    delivery = f"{intents[0]['notification_id']}/email:user:7"
    sent = [event_fields(source=None, event_id=key, delivery_id=delivery) for key in keys]
    events = door.post("/v1/delivery-events", json=sent).json()["results"]

    for results in (intents, cancellations, events):
        assert [(r["status"], r.get("code")) for r in results] == [(201, None), (422, "storage_refused"), (201, None)]
    assert rows(database, "SELECT * FROM malformed_intents") == []
