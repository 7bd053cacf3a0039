"""What publishing says of itself: counters and events (R25, R26)."""

from datetime import UTC
from typing import Any

import pytest
import redis

from publisher.channels.email import EMAIL
from publisher.process.telemetry import Telemetry
from publisher.streams.outbound import OutboundStreams
from storage.database import Database
from tests.factories import accepted
from tests.integration.publishers import commands, counters, logged, publisher
from tests.integration.rows import all_routes, change, due_routes, one_route

ATTEMPTS, TYPE = "route_publish_attempts_total", "game.turn.ready"


def fields_of(row: dict[str, Any]) -> dict[str, Any]:
    """What every event about this route says, under these test intents."""
    return {
        "notification_id": str(row["notification_id"]),
        "notification_type": TYPE,
        "producer": "game-service",
        "audience_kind": "user",
        "idempotency_key": "turn-17",
        "request_id": "r-1",
        "trace_id": "t-1",
        "route_id": "email:user:7",
        "channel": "email",
        "delivery_id": f"{row['notification_id']}/email:user:7",
    }


@pytest.fixture
def route(database: Database) -> int:
    """The key of a due email route, whose notification has every field."""
    fields = {"idempotency_key": "turn-17", "request_id": "r-1", "trace_id": "t-1", "channels_json": ["email"]}
    return accepted(database, [fields]).due["email"][0]


def published_and_logged(
    database: Database, streams: OutboundStreams
) -> tuple[list[dict[str, Any]], dict[tuple[str, ...], float]]:
    """The events and the counters of one scan."""
    telemetry = Telemetry()
    with logged() as events:
        publisher(database, streams, telemetry=telemetry).publish_due("email")
    return events, counters(telemetry)


def test_a_publication_is_told(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, route: int
) -> None:
    """A published route is logged at info level with all that identifies it, and counted (R25, R26)."""
    events, counted = published_and_logged(database, streams)

    assert events == [
        {
            "event": "route published",
            "log_level": "info",
            **fields_of(one_route(database, route)),
            "stream_entry_id": next(iter(commands(redis_client))),
        }
    ]
    assert counted == {(ATTEMPTS, "email", TYPE, "published", ""): 1}


def test_a_retry_is_told(database: Database, streams: OutboundStreams, redis_client: redis.Redis, route: int) -> None:
    """A rescheduled route is logged as a warning with its attempt, its reason and its next time, and counted twice:
    as an attempt and as a retry (R25, R26)."""
    redis_client.set(EMAIL.stream, "no stream")
    change(database, [route], "attempt_count = 2, status = 'failed'")

    events, counted = published_and_logged(database, streams)

    row = one_route(database, route)
    assert events == [
        {
            "event": "route failed and was rescheduled",
            "log_level": "warning",
            **fields_of(row),
            "attempt_number": 3,
            "max_attempts": 16,
            "failure_classification": "mail_stream_publish_failed",
            "failure_message": row["last_failure_message"],
            "next_attempt_at": row["next_attempt_at"].astimezone(UTC).isoformat(timespec="milliseconds"),
        }
    ]
    assert counted == {
        (ATTEMPTS, "email", TYPE, "retry", "mail_stream_publish_failed"): 1,
        ("route_retries_total", "email", TYPE): 1,
    }


def test_a_dead_letter_is_told(database: Database, streams: OutboundStreams, route: int) -> None:
    """A route that is given up is logged as a warning with its last attempt and reason, and counted twice: as an
    attempt and as a dead letter (R25, R26)."""
    change(database, [route], "attempt_count = 15, status = 'failed', resolved_email = NULL")

    events, counted = published_and_logged(database, streams)

    row = one_route(database, route)
    assert events == [
        {
            "event": "route dead-lettered",
            "log_level": "warning",
            **fields_of(row),
            "attempt_number": 16,
            "max_attempts": 16,
            "failure_classification": "payload_encoding_failed",
            "failure_message": row["last_failure_message"],
        }
    ]
    assert counted == {
        (ATTEMPTS, "email", TYPE, "dead_letter", "payload_encoding_failed"): 1,
        ("route_dead_letters_total", "email", TYPE, "payload_encoding_failed"): 1,
    }


def test_every_route_of_a_batch_is_told_once(database: Database, streams: OutboundStreams) -> None:
    """A batch has one event and one count for each of its routes (R25, R26)."""
    routes = due_routes(database, 20)
    change(database, routes[:5], "resolved_email = NULL")

    events, counted = published_and_logged(database, streams)

    assert sorted(event["route_id"] for event in events) == sorted(row["route_id"] for row in all_routes(database))
    assert counted == {
        (ATTEMPTS, "email", TYPE, "published", ""): 15,
        (ATTEMPTS, "email", TYPE, "retry", "payload_encoding_failed"): 5,
        ("route_retries_total", "email", TYPE): 5,
    }


def test_the_routes_of_a_batch_are_timed(database: Database, streams: OutboundStreams) -> None:
    """From the commit to the command, and from the claim to the record by how the attempt ended. A route that an
    operator has published again is not timed from its intent: that was long ago (R25)."""
    routes = due_routes(database, 20)
    change(database, routes[:5], "resolved_email = NULL")
    change(database, routes[5:8], "replay = 1")
    telemetry = Telemetry()

    publisher(database, streams, telemetry=telemetry).publish_due("email")

    timed = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in telemetry.registry.collect()
        for sample in metric.samples
        if sample.name.endswith("_count") and sample.value
    }
    assert timed == {
        ("publisher_intent_command_seconds_count", "email"): 12,
        ("publisher_attempt_seconds_count", "email", "published"): 15,
        ("publisher_attempt_seconds_count", "email", "retry"): 5,
    }


def test_a_quiet_scan_says_nothing(database: Database, streams: OutboundStreams) -> None:
    """A scan that finds nothing due logs and counts nothing."""
    assert published_and_logged(database, streams) == ([], {})
