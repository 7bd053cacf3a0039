"""Intents as people write them, a JSON object a line (spec section 9)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.intent import Intent, parse_intent
from publisher.domain.intent_json import fields_of_json
from tests import factories

WRITTEN = {
    "notification_type": "game.turn.ready",
    "producer": "game-service",
    "audience_kind": "user",
    "recipients": [{"user_id": "7", "email": "ann@example.com"}],
    "channels": ["email"],
    "idempotency_key": "turn-17",
    "occurred_at_ms": 1773480413589,
    "payload": {"text": "Zoë\u0000", "turn": 17},
    "request_id": None,
}


def test_an_object_becomes_the_fields_of_an_entry() -> None:
    """Keys are the stream's fields without `_json`, numbers become digits, null leaves a field out (spec section 9)."""
    fields = fields_of_json(json.dumps(WRITTEN))

    assert isinstance(fields, dict)
    assert set(fields) == {
        *("notification_type", "producer", "audience_kind", "recipients_json", "channels_json", "idempotency_key"),
        *("occurred_at_ms", "payload_json"),
    }
    assert fields["occurred_at_ms"] == "1773480413589"
    assert json.loads(fields["payload_json"]) == WRITTEN["payload"]


def test_those_fields_are_the_same_intent() -> None:
    """What is sent from a file and what a producer adds by itself are one content (R18, spec section 9)."""
    fields = fields_of_json(json.dumps(WRITTEN, indent=2))
    added = factories.intent(
        **{f"{name}_json": WRITTEN[name] for name in ("recipients", "channels", "payload")}, idempotency_key="turn-17"
    )

    assert isinstance(fields, dict)
    sent = parse_intent(factories.raw(fields), factories.CHANNELS)
    assert isinstance(sent, Intent)
    assert sent.fingerprint == added.fingerprint


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "7", '"text"', "null", "{} {}", "[" * 100_000, '{"occurred_at_ms": ' + "9" * 5000 + "}"]
)
def test_what_is_no_object_is_told(line: str) -> None:
    """A line that is no JSON object is answered with a reason, in one line (spec section 9)."""
    reason = fields_of_json(line)

    assert isinstance(reason, str)
    assert reason.isprintable()


@given(st.text(max_size=20) | st.dictionaries(st.text(max_size=5), st.floats() | st.text(max_size=5)).map(json.dumps))
def test_no_line_makes_it_raise(line: str) -> None:
    """Whatever stands in a file, every line is fields or a reason (spec section 9)."""
    assert isinstance(fields_of_json(line), dict | str)
