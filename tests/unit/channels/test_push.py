"""The gateway's client event (R22, R23)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.channels.push import PUSH
from publisher.domain.errors import EncodingError
from publisher.domain.recipient import Recipient
from tests import factories


def test_a_whole_event() -> None:
    """Every field has the name, the order and the bytes that the gateway reads."""
    notification = factories.notification(
        payload='{ "turn": 17, "stake": 1.10 }',
        request_id="req-1",
        trace_id="trace-1",
        accepted_at=factories.INSTANT.replace(year=2027),
    )
    route = factories.route(channel="push", route_id="push:user:7")

    command = PUSH.command(notification, route)

    assert command.fields == (
        ("event_id", "b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/push:user:7"),
        ("user_id", "7"),
        ("event_type", "game.turn.ready"),
        ("payload_json", '{ "turn": 17, "stake": 1.10 }'),
        ("occurred_at_ms", "1773480413589"),
        ("request_id", "req-1"),
        ("trace_id", "trace-1"),
    )


def test_ids_that_the_intent_had_not_are_left_out() -> None:
    """Without request_id and trace_id the event has no such fields, rather than empty ones."""
    command = PUSH.command(factories.notification(), factories.route())

    assert [name for name, _ in command.fields] == [
        *("event_id", "user_id", "event_type", "payload_json", "occurred_at_ms")
    ]


@given(st.text(min_size=1, max_size=20), st.dictionaries(st.text(max_size=8), st.integers() | st.text()))
def test_the_same_route_makes_the_same_bytes(user_id: str, payload: dict[str, object]) -> None:
    """A second attempt encodes exactly what the first did, whatever the user's id looks like (R22)."""
    notification = factories.notification(payload=json.dumps(payload))
    route = factories.route(recipient_ref=f"user:{user_id}", route_id=f"push:user:{user_id}")

    first, second = PUSH.command(notification, route), PUSH.command(notification, route)

    assert first == second
    assert dict(first.fields)["user_id"] == user_id


def test_a_user_id_may_hold_a_colon() -> None:
    """Only the reference's own prefix is taken off (R1)."""
    command = PUSH.command(factories.notification(), factories.route(recipient_ref="user:user:7"))

    assert dict(command.fields)["user_id"] == "user:7"


@pytest.mark.parametrize("reference", ["address:ann@example.com", "user:", "user", "", "USER:7", "group:user:7"])
def test_whoever_is_no_user_gets_no_event(reference: str) -> None:
    """A route whose recipient is no user is an encoding failure, never an event to nobody (R23)."""
    with pytest.raises(EncodingError):
        PUSH.command(factories.notification(), factories.route(recipient_ref=reference))


def test_an_event_over_a_mebibyte_makes_none() -> None:
    """A payload that makes the event larger than 1 MiB is an encoding failure (R23)."""
    notification = factories.notification(payload='{"text": "' + "x" * 1024 * 1024 + '"}')

    with pytest.raises(EncodingError, match="over the limit"):
        PUSH.command(notification, factories.route())


@pytest.mark.parametrize(("user_id", "reached"), [("7", True), (None, False)])
def test_only_users_are_reached(user_id: str | None, reached: bool) -> None:
    """An address without a user is skipped on this channel (R3)."""
    assert PUSH.reaches(Recipient(user_id, "ann@example.com", None)) is reached


def test_the_channel_is_the_one_of_the_spec() -> None:
    """Stream, attempts, ceiling and failure classification of this channel are the documented ones (R7)."""
    described = (PUSH.name, PUSH.stream, PUSH.max_attempts, PUSH.stream_ceiling, PUSH.stream_failure)

    assert described == ("push", "gateway:client_events", 6, 100_000, "gateway_stream_publish_failed")
