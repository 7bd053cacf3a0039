"""Delivery events over HTTP: recorded before they are answered; and what providers send, as they send it (R32)."""

import json
from typing import Any

from starlette.testclient import TestClient

from publisher.operations.tokens import Sends
from storage.database import Database
from tests.factories import event_fields
from tests.integration.answered_routes import published_routes
from tests.integration.rows import rows
from tests.integration.web.door.conftest import Token


def delivery(database: Database) -> str:
    """The delivery id of a published email."""
    return deliveries(database)[0]


def deliveries(database: Database, count: int = 1) -> list[str]:
    """The delivery ids of so many published emails."""
    published_routes(database, count)
    named = "SELECT notification_id || '/' || route_id AS id FROM routes"
    joined = f"{named} JOIN notifications AS n ON n.id = notification_key"
    return [str(row["id"]) for row in rows(database, f"{joined} WHERE channel = 'email' ORDER BY routes.id")]


def test_an_event_is_recorded_before_it_is_answered(database: Database, door: TestClient) -> None:
    """201 for a new one, 200 for the same again, 409 for its id with another delivery; the source is the token's."""
    id_ = delivery(database)
    event: dict[str, Any] = event_fields(source=None, event_id="e-1", delivery_id=id_, event="delivered")
    event |= {"detail": {"mx": "a@example.com"}, "occurred_at_ms": 1773480414120}

    new, again = door.post("/v1/delivery-events", json=event), door.post("/v1/delivery-events", json=event)

    assert (new.status_code, new.json()) == (201, {"result": "recorded", "event_id": "e-1"}), new.text
    assert (again.status_code, again.json()["result"]) == (200, "recorded_before")
    [kept] = rows(database, "SELECT source, stream_entry_id, detail::text FROM delivery_events")
    assert (kept["source"], kept["stream_entry_id"][:5]) == ("game-service", "door:")
    assert "a@example.com" not in kept["detail"]
    assert rows(database, "SELECT answer FROM routes WHERE channel = 'email'")[0]["answer"] == "delivered"
    assert 'delivery_events_total{channel="email",event="delivered",result="new"} 1.0' in door.get("/metrics").text


def test_each_event_of_an_array_has_a_result(database: Database, door: TestClient) -> None:
    """What is refused is told, and kept nowhere (R19)."""
    id_, another = deliveries(database, 2)
    good = event_fields(source="game-service", delivery_id=id_, event_id="e-1")
    sent = [
        good,
        good,
        good | {"delivery_id": another},
        good | {"source": "ses"},
        good | {"event_id": "e-2", "delivery_id": "x/email:user:7"},
        good | {"event_id": "e-3", "event": "opened"},
        None,
    ]

    results = door.post("/v1/delivery-events", json=sent).json()["results"]

    assert [(r["status"], r.get("code")) for r in results] == [
        (201, None),
        (200, None),
        (409, "event_conflict"),
        (403, "invalid_field"),
        (422, "unknown_delivery"),
        (422, "invalid_field"),
        (422, "invalid_json"),
    ]
    assert rows(database, "SELECT * FROM malformed_intents") == []


def test_a_notification_of_ses_is_an_event(database: Database, door: TestClient, token: Token) -> None:
    """As SNS wraps it, with its type of plain text; the same again changes nothing, and the address is suppressed."""
    id_ = delivery(database)
    message = {
        "notificationType": "Bounce",
        "mail": {"messageId": "m-1", "tags": {"delivery_id": [id_]}},
        "bounce": {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "feedbackId": "f-1",
            "bouncedRecipients": [{"emailAddress": "user-0@example.com"}],
        },
    }
    wrapped = json.dumps({"Type": "Notification", "MessageId": "s-1", "Message": json.dumps(message)})
    headers = {"content-type": "text/plain; charset=UTF-8", "authorization": f"Bearer {token('ses', [Sends.EVENTS])}"}

    new, again = (door.post("/v1/delivery-events/ses", content=wrapped, headers=headers) for _ in range(2))

    assert (new.status_code, new.json()["result"], new.json()["delivery_id"]) == (200, "recorded", id_), new.text
    assert (again.status_code, again.json()["result"]) == (200, "recorded_before")
    assert rows(database, "SELECT answer FROM routes WHERE channel = 'email'")[0]["answer"] == "bounced"
    assert len(rows(database, "SELECT * FROM mail_suppressions")) == 1


def test_a_webhook_of_postmark_is_an_event(database: Database, door: TestClient, token: Token) -> None:
    """What tells nothing of a delivery of ours is passed over with 200: a repetition would change nothing."""
    id_ = delivery(database)

    door.headers["authorization"] = f"Bearer {token('postmark', [Sends.EVENTS])}"

    def send(**fields: Any) -> tuple[int, str]:
        answer = door.post("/v1/delivery-events/postmark", json=fields)
        return answer.status_code, answer.json().get("result", answer.json().get("code"))

    named = {"MessageID": "m-1", "DeliveredAt": "2026-03-14T09:26:53Z", "Metadata": {"delivery_id": id_}}
    assert send(RecordType="Delivery", **named) == (200, "recorded")
    assert send(RecordType="Delivery", MessageID="m-2") == (200, "passed_over")
    assert send(RecordType="Open", **named) == (200, "passed_over")
    assert send(Colour="red") == (422, "not_understood")


def test_a_subscription_of_sns_is_for_an_operator_to_confirm(door: TestClient, token: Token) -> None:
    """No address is called: the answer and the log say what to do. An address of anybody else is refused."""
    whole = {
        "Type": "SubscriptionConfirmation",
        "MessageId": "1",
        "Token": "t",
        "TopicArn": "arn:aws:sns:eu-west-1:123:bounces",
        "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t",
        "Timestamp": "2026-03-14T09:26:53Z",
    }

    door.headers["authorization"] = f"Bearer {token('ses', [Sends.EVENTS])}"

    def send(**fields: Any) -> tuple[int, str]:
        answer = door.post("/v1/delivery-events/ses", json=whole | fields)
        return answer.status_code, answer.json().get("result", answer.json().get("field"))

    assert send() == (200, "to_be_confirmed")
    assert send(Type="UnsubscribeConfirmation") == (200, "passed_over")
    for url in (
        "https://evil.example/",
        "http://sns.eu-west-1.amazonaws.com/",
        "https://[",
        "https://sns.amazonaws.com.evil.example/",
        "https://sns.evil.s3.amazonaws.com/",
        "https://evil.example\\@sns.eu-west-1.amazonaws.com/",
        "https://sns.eu-west-1.amazonaws.com@evil.example/",
        "https://ann:pass@sns.eu-west-1.amazonaws.com/",
    ):
        assert send(SubscribeURL=url) == (422, "SubscribeURL")
    assert send(TopicArn="") == (422, "TopicArn")


def test_who_answers_under_a_name_of_this_service_is_refused(door: TestClient, token: Token) -> None:
    """The sources `mailer` and `operator` are this service's own, whoever has a token (R32)."""
    answer = door.post("/v1/delivery-events", json=event_fields(source="mailer"))

    assert (answer.status_code, answer.json()["field"]) == (403, "source")
