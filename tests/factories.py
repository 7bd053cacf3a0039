"""Values for tests: each complete and valid, each field to be overridden by name."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from publisher.channels.email import EMAIL
from publisher.channels.push import PUSH
from publisher.domain.channel import Channel
from publisher.domain.delivery_event import DeliveryEvent, EventKind
from publisher.domain.intent import Intent
from publisher.domain.intent_parsing import parse_intent
from publisher.domain.notification import Notification, Route, RouteStatus
from publisher.domain.planning import plan_routes
from storage.accepting.intents import Acceptance, IncomingIntent, accept_new, compare_known, reject
from storage.claiming.handover import Handover
from storage.database import Database
from storage.malformed.recording import IncomingMalformed
from storage.routes import RouteRecord

CHANNELS: Mapping[str, Channel] = {"email": EMAIL, "push": PUSH}
INSTANT = datetime(2026, 3, 14, 9, 26, 53, 589_000, tzinfo=UTC)
INTENTS = "notification:intents"
EVENTS = "notification:delivery_events"
GROUP = "notification-publisher"


def notification(**fields: Any) -> Notification:
    """A notification of `game.turn.ready` to a user."""
    whole = Notification(
        notification_id="b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11",
        notification_type="game.turn.ready",
        producer="game-service",
        audience_kind="user",
        idempotency_key="turn-17",
        payload='{"game": "chess", "turn": 17}',
        request_id=None,
        trace_id=None,
        occurred_at=INSTANT,
        accepted_at=INSTANT,
    )
    return replace(whole, **fields)


def route(**fields: Any) -> Route:
    """The pending email route of that notification to user 7."""
    whole = Route(
        id=1,
        notification_id="b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11",
        route_id="email:user:7",
        channel="email",
        status=RouteStatus.PENDING,
        attempt_count=0,
        max_attempts=16,
        recipient_ref="user:7",
        resolved_email="ann@example.com",
        resolved_locale=None,
        lease_loss_count=0,
    )
    return replace(whole, **fields)


def route_record(**fields: Any) -> RouteRecord:
    """That route as it stands at INSTANT: pending, accepted an hour before and due for a second."""
    whole = RouteRecord(
        id=1,
        notification_id="b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11",
        route_id="email:user:7",
        notification_type="game.turn.ready",
        channel="email",
        status=RouteStatus.PENDING,
        attempt_count=0,
        max_attempts=16,
        next_attempt_at=INSTANT - timedelta(seconds=1),
        recipient_ref="user:7",
        resolved_email="ann@example.com",
        resolved_locale=None,
        last_failure_classification=None,
        last_failure_message=None,
        last_failure_at=None,
        lease_token=None,
        lease_expires_at=None,
        lease_loss_count=0,
        stream_entry_id=None,
        created_at=INSTANT - timedelta(hours=1),
        updated_at=INSTANT - timedelta(hours=1),
        published_at=None,
        dead_lettered_at=None,
        expires_at=None,
        producer="game-service",
        lane="normal",
        not_before=None,
        cancel_requested_at=None,
        cancelled_by=None,
        answer=None,
        answered_at=None,
        complained=False,
        replay=0,
        stream=None,
        read_at=INSTANT,
    )
    return replace(whole, **fields)


def intent_fields(**fields: Any) -> dict[str, str]:
    """The fields of an intents entry. JSON fields may be given as values; None leaves a field out."""
    whole: dict[str, Any] = {
        "notification_type": "game.turn.ready",
        "producer": "game-service",
        "audience_kind": "user",
        "recipients_json": [{"user_id": "7", "email": "ann@example.com"}],
        "idempotency_key": uuid.uuid4().hex,
        "occurred_at_ms": "1773480413589",
        "payload_json": {"game": "chess", "turn": 17},
    }
    whole |= fields
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in whole.items()
        if value is not None
    }


def delivery_event(**fields: Any) -> DeliveryEvent:
    """The mail service accepted the email to user 7 of that notification."""
    whole = DeliveryEvent(
        event_id=uuid.uuid4().hex,
        delivery_id="b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/email:user:7",
        event=EventKind.ACCEPTED,
        occurred_at=INSTANT,
        source="test",
    )
    return replace(whole, **fields)


def event_fields(**fields: str | None) -> dict[str, str]:
    """The fields of an entry of the stream of delivery events. None leaves a field out."""
    whole: dict[str, str | None] = {
        "event_id": uuid.uuid4().hex,
        "delivery_id": "b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/email:user:7",
        "event": "accepted",
        "occurred_at_ms": "1773480413589",
        "source": "test",
    }
    return {name: value for name, value in (whole | fields).items() if value is not None}


def raw(fields: Mapping[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    """The fields as they come off the stream."""
    return tuple((name.encode(), value.encode()) for name, value in fields.items())


def intent(**fields: Any) -> Intent:
    """The intent of these fields."""
    parsed = parse_intent(raw(intent_fields(**fields)), CHANNELS)
    assert isinstance(parsed, Intent), parsed
    return parsed


def incoming(entry_id: str = "1-0", **fields: Any) -> IncomingIntent:
    """An entry with these fields, parsed and planned."""
    parsed = intent(**fields)
    return IncomingIntent(entry_id, raw(intent_fields(**fields)), parsed, plan_routes(parsed, CHANNELS))


def accept(
    database: Database,
    stream: str,
    intents: Sequence[IncomingIntent],
    malformed: Sequence[IncomingMalformed],
    handover: Handover | None = None,
) -> Acceptance:
    """Accepts a batch as intake does, with each of its transactions, and returns all their results as one."""
    rejected = reject(database, stream, malformed)
    new, known = accept_new(database, intents, handover)
    compared = compare_known(database, stream, known) if known else Acceptance()
    return replace(
        new,
        duplicates=compared.duplicates,
        malformed=[*rejected.malformed, *compared.malformed],
        again={*rejected.again, *compared.again},
    )


def accepted(database: Database, intents: Sequence[Mapping[str, Any]] = ({},)) -> Acceptance:
    """Accepts an intent for each of these sets of fields."""
    return accept(database, INTENTS, [incoming(f"{n}-1", **fields) for n, fields in enumerate(intents)], [])
