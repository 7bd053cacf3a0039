"""Which characters a field of an intent may hold: none that ends a line, or that a terminal obeys (R19, R26)."""

import json
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher.domain.intent import Intent
from publisher.domain.intent_parsing import parse_intent
from publisher.domain.rejection import Rejection, RejectionCode
from tests import factories

FORBIDDEN = ("Cc", "Zl", "Zp")
# Each text of an intent, made of a given one.
FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "producer": lambda text: {"producer": text},
    "idempotency_key": lambda text: {"idempotency_key": text},
    "request_id": lambda text: {"request_id": text},
    "trace_id": lambda text: {"trace_id": text},
    "channels_json": lambda text: {"channels_json": [text]},
    "user_id": lambda text: {"recipients_json": [{"user_id": text}]},
    "email": lambda text: {"recipients_json": [{"user_id": "7", "email": text}]},
    "locale": lambda text: {"recipients_json": [{"user_id": "7", "locale": text}]},
    "mailbox": lambda text: {"audience_kind": "admin_email", "recipients_json": [{"email": text}]},
}
every_field = pytest.mark.parametrize("field", FIELDS)


def parse(fields: dict[str, Any]) -> Intent | Rejection:
    return parse_intent(factories.raw(factories.intent_fields(**fields)), factories.CHANNELS)


def test_every_end_of_a_line_is_forbidden() -> None:
    """Whatever Python takes for the end of a line is of a forbidden category: NEL, and both separators, too."""
    ends = [chr(n) for n in range(0x110000) if len(f"a{chr(n)}b".splitlines()) > 1]

    assert {"\x85", "\u2028", "\u2029"} < set(ends)
    assert {unicodedata.category(c) for c in ends} <= set(FORBIDDEN)


@every_field
@given(st.text(max_size=8), st.characters(categories=FORBIDDEN), st.text(max_size=8))
@example("a", "\u2028", "b")
@example("a", "\u2029", "")
def test_a_control_character_or_separator_is_malformed(field: str, before: str, character: str, after: str) -> None:
    """A control character or a separator of lines or paragraphs makes the entry malformed, in whichever field (R19)."""
    parsed = parse(FIELDS[field](f"{before}{character}{after}"))

    assert isinstance(parsed, Rejection)
    assert parsed.code is RejectionCode.CONTROL_CHARACTER
    assert parsed.message.isprintable()


@given(st.text(st.characters(exclude_categories=[*FORBIDDEN, "Cs"]), min_size=1, max_size=60))
def test_every_other_character_is_taken(text: str) -> None:
    """Letters, signs and spaces of any script are accepted as they are."""
    parsed = parse({"idempotency_key": f"k{text}", "producer": f"p{text}"})

    assert isinstance(parsed, Intent)
    assert (parsed.idempotency_key, parsed.producer) == (f"k{text}", f"p{text}")


@given(st.text(st.characters(categories=(*FORBIDDEN, "Lu")), max_size=20))
def test_a_payloads_strings_hold_anything(text: str) -> None:
    """Inside the payload every character is the producer's own matter, written as JSON allows (R19)."""
    payload = json.dumps({"text": text}, ensure_ascii=False)

    parsed = parse({"payload_json": payload})

    assert isinstance(parsed, Intent)
    assert parsed.payload == payload
