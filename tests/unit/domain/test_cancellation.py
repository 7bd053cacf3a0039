"""A cancellation on the intents stream: which entries are one, and what makes one malformed (R19, R28)."""

from typing import Any

import pytest

from publisher.domain.cancellation import Cancellation
from publisher.domain.intent import Intent
from publisher.domain.intent_json import RefusedLine, WrittenCancellation, intent_of_line
from publisher.domain.intent_parsing import parse_entry
from publisher.domain.rejection import Rejection, RejectionCode
from tests import factories

WHOLE = {"producer": "game-service", "cancels": "turn-17"}


def parsed(fields: dict[str, str]) -> Intent | Cancellation | Rejection:
    return parse_entry(factories.raw(fields), factories.CHANNELS)


def test_producer_and_key_make_a_cancellation() -> None:
    """It names the notification of the intent with that key (R1)."""
    found = parsed(WHOLE)

    assert found == Cancellation("game-service", "turn-17", None, None)
    assert isinstance(found, Cancellation)
    assert found.notification_id == factories.intent(idempotency_key="turn-17").notification_id


def test_request_and_trace_may_be_given() -> None:
    """Blank ones count as none, as an intent's do."""
    assert parsed(WHOLE | {"request_id": "req-1", "trace_id": ""}) == Cancellation(
        *("game-service", "turn-17", "req-1", None)
    )


def test_an_entry_without_the_field_is_an_intent() -> None:
    """Nothing else tells the two apart."""
    assert isinstance(parsed(factories.intent_fields()), Intent)


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"producer": None}, RejectionCode.MISSING_FIELD, "producer: is missing"),
        ({"cancels": ""}, RejectionCode.INVALID_FIELD, "cancels: "),
        ({"cancels": "x" * 257}, RejectionCode.TOO_LARGE, "cancels: must be at most 256 characters"),
        ({"cancels": "a\nb"}, RejectionCode.CONTROL_CHARACTER, "cancels: "),
        ({"reason": "typo"}, RejectionCode.UNKNOWN_FIELD, "reason: is no field of a cancellation"),
        (factories.intent_fields(), RejectionCode.UNKNOWN_FIELD, "notification_type: is no field of a cancellation"),
        ({"request_id": "x" * 129}, RejectionCode.TOO_LARGE, "request_id: must be at most 128 characters"),
    ],
    ids=["no producer", "blank key", "long key", "control character", "unknown", "content", "long request"],
)
def test_what_else_it_has_makes_it_malformed(changes: dict[str, Any], code: RejectionCode, said: str) -> None:
    """Each fault has the code that an intent's would have, and the message names the field."""
    whole = {name: value for name, value in (WHOLE | changes).items() if value is not None}

    found = parsed(whole)

    assert isinstance(found, Rejection)
    assert found.code is code
    assert said in found.message


def test_bytes_that_are_no_text_are_malformed() -> None:
    """As for an intent."""
    twice = (*factories.raw(WHOLE), (b"cancels", b"turn-18"))
    found = [parse_entry(raw, factories.CHANNELS) for raw in (((b"cancels", b"\xff"),), twice)]

    assert [each.code for each in found if isinstance(each, Rejection)] == [
        *(RejectionCode.INVALID_UTF8, RejectionCode.DUPLICATE_FIELD),
    ]


def test_a_person_writes_one_as_a_line() -> None:
    """`publisher intents send` takes it beside intents, and refuses a bad one where it is bad."""
    good = intent_of_line(b'{"producer": "game-service", "cancels": "turn-17"}', factories.CHANNELS)
    bad = intent_of_line(b'{"cancels": "turn-17"}', factories.CHANNELS)

    assert good == WrittenCancellation(WHOLE, Cancellation("game-service", "turn-17", None, None))
    assert bad == RefusedLine(1, "missing_field: producer: is missing")
