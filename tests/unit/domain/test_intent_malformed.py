"""Entries of the intents stream that are no intents, and the code of each fault (R19)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.intent_parsing import parse_intent
from publisher.domain.rejection import Rejection, RejectionCode
from tests import factories
from tests.unit.domain.malformed_intents import CASES, EVERY_CASE, REQUIRED, parse

OPTIONAL = ["channels_json", "request_id", "trace_id"]


@pytest.mark.parametrize(
    ("code", "fields"), EVERY_CASE, ids=[f"{code}-{str(fields)[:40]!a}" for code, fields in EVERY_CASE]
)
def test_a_bad_field_is_named_with_its_code(code: str, fields: dict[str, Any]) -> None:
    """Each fault of an intent has its code, and a message that names the field (R19)."""
    malformed = parse(fields)

    assert isinstance(malformed, Rejection)
    assert malformed.code.value == code
    assert any(name in malformed.message for name in fields)


@pytest.mark.parametrize(
    ("code", "raw"),
    [
        ("missing_field", []),
        ("duplicate_field", [*factories.raw(factories.intent_fields()), (b"producer", b"game-service")]),
        ("duplicate_field", [(b"x", b"1"), (b"x", b"1")]),
        ("invalid_utf8", [*factories.raw(factories.intent_fields(request_id=None)), (b"request_id", b"\xff")]),
        ("invalid_utf8", [(b"\xc3\x28", b"1")]),
        ("invalid_utf8", [(b"producer", b"half a pair \xed\xa0\x80")]),
        ("invalid_utf8", [(b"producer", "game".encode("utf-16"))]),
    ],
)
def test_bad_bytes_have_their_code(code: str, raw: list[tuple[bytes, bytes]]) -> None:
    """What is wrong before any field is read has its code as well (R19)."""
    malformed = parse_intent(raw, factories.CHANNELS)

    assert isinstance(malformed, Rejection)
    assert malformed.code.value == code


def test_every_code_is_reached_or_given_elsewhere() -> None:
    """No code is dead: those that the parsing of intents cannot give are storage's and intake's (R18, R19)."""
    of_events = {"event_conflict", "unknown_delivery"}
    elsewhere = {"channel_failed", "idempotency_conflict", "poison", "storage_refused"} | of_events
    bytewise = {"duplicate_field", "invalid_utf8"}

    assert {code.value for code in RejectionCode} == elsewhere | bytewise | set(CASES)


@given(st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=12)), max_size=8))
def test_no_bytes_make_the_parser_raise(raw: list[tuple[bytes, bytes]]) -> None:
    """Whatever stands on the stream is an intent or malformed, never an error (R19)."""
    assert isinstance(parse_intent(raw, factories.CHANNELS), Rejection)


_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["user_id", "email", "locale"]), inner, max_size=3)
    ),
    max_leaves=8,
).map(json.dumps)
_texts = st.text(st.one_of(st.characters(), st.sampled_from("\0\n\x7f\x85 @")), max_size=12)


@given(st.dictionaries(st.sampled_from(REQUIRED + OPTIONAL), _json_values | _texts, max_size=3))
def test_whatever_is_accepted_can_be_stored_and_logged(fields: dict[str, str]) -> None:
    """No control character comes through anywhere but inside the payload, and every message is one line (R19)."""
    parsed = parse(fields)

    if isinstance(parsed, Rejection):
        assert parsed.message.isprintable()
        return
    recipients = [text for r in parsed.recipients for text in (r.user_id, r.email, r.locale)]
    texts = [parsed.producer, parsed.idempotency_key, parsed.request_id, parsed.trace_id, *recipients]
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for text in texts if text for c in text)
    assert isinstance(json.loads(parsed.payload), dict)
