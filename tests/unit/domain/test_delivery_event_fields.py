"""Parsing delivery events: every field, every reason, and no address that gets through (R19, R32, R36)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.delivery_event import DeliveryEvent, EventKind, Fault, Permanence
from publisher.domain.delivery_event_fields import parse_event
from publisher.domain.rejection import Rejection
from tests.factories import INSTANT, event_fields, raw


def parsed(**fields: str | None) -> DeliveryEvent:
    """The event of these fields, which are valid."""
    event = parse_event(raw(event_fields(**fields)))
    assert isinstance(event, DeliveryEvent), event
    return event


def rejected(**fields: str | None) -> Rejection:
    """Why these fields make no event."""
    verdict = parse_event(raw(event_fields(**fields)))
    assert isinstance(verdict, Rejection), verdict
    return verdict


def test_every_field_has_its_place() -> None:
    """All that an event can say, and what it leaves out."""
    event = parsed(
        event_id="1",
        delivery_id="n/email:user:7",
        event="bounced",
        source="ses",
        permanence="transient",
        fault="recipient",
        code="mailbox-full",
        enhanced_code="4.2.2",
        diagnostic="452 mailbox full",
        provider_ref="0100@eu.example",
        detail_json='{ "n": 1.10 }',
    )
    assert event == DeliveryEvent(
        "1",
        "n/email:user:7",
        EventKind.BOUNCED,
        INSTANT,
        "ses",
        Permanence.TRANSIENT,
        Fault.RECIPIENT,
        "mailbox-full",
        "4.2.2",
        "452 mailbox full",
        "0100@eu.example",
        '{ "n": 1.10 }',
    )
    optional = ("permanence", "fault", "code", "enhanced_code", "diagnostic", "provider_ref", "detail_json")
    blank = parsed(event_id="1", **dict.fromkeys(optional, " "))
    assert blank == parsed(event_id="1")
    assert [getattr(blank, name) for name in optional] == [None] * 7


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        *((name, None, "missing_field") for name in ("event_id", "delivery_id", "event", "occurred_at_ms", "source")),
        ("event", "opened", "invalid_field"),
        ("event", "", "invalid_field"),
        ("permanence", "often", "invalid_field"),
        ("fault", "mine", "invalid_field"),
        ("occurred_at_ms", "-1", "invalid_field"),
        ("occurred_at_ms", "1.5", "invalid_field"),
        ("enhanced_code", "550", "invalid_field"),
        ("enhanced_code", "3.1.1", "invalid_field"),
        ("enhanced_code", "5.1.1234", "invalid_field"),
        ("event_id", " ", "invalid_field"),
        ("source", "mailer", "invalid_field"),
        ("source", "operator", "invalid_field"),
        ("source", "a\nb", "control_character"),
        ("event_id", "x" * 257, "too_large"),
        ("delivery_id", "x" * 1025, "too_large"),
        ("source", "x" * 65, "too_large"),
        ("code", "x" * 129, "too_large"),
        ("provider_ref", "x" * 257, "too_large"),
        ("detail_json", "[]", "invalid_field"),
        ("detail_json", "{", "invalid_json"),
        ("detail_json", '{"a": NaN}', "invalid_json"),
        ("detail_json", '{"a": ' + "[" * 100 + "]" * 100 + "}", "invalid_json"),
        ("detail_json", '{"a": "' + "x" * 16_384 + '"}', "too_large"),
        ("opened_at", "1", "unknown_field"),
    ],
)
def test_a_field_that_breaks_its_rule_is_named(field: str, value: str | None, code: str) -> None:
    """With its code, and without its value."""
    verdict = rejected(**{field: value})

    assert (verdict.code, verdict.field) == (code, field)
    assert verdict.message.startswith(f"{field}: ")


def test_a_field_given_twice_and_bytes_that_are_no_text_are_refused() -> None:
    """Whatever else the entry has."""
    twice = [*raw(event_fields()), (b"source", b"again")]
    assert [getattr(parse_event(fields), "code", None) for fields in (twice, [(b"\xff", b"1")], [])] == [
        *("duplicate_field", "invalid_utf8", "missing_field"),
    ]


def test_addresses_are_masked_on_the_way_in() -> None:
    """In the diagnostic and wherever they stand in the detail; what holds none keeps its text to the byte (R36)."""
    event = parsed(
        diagnostic="550 <ann@example.com>:\r\nno such user\x1b",
        detail_json='{"bob@example.com": [{"to": "ann@example.com", "n": 1}]}',
    )
    assert event.diagnostic == "550 <a***@example.com>:  no such user"
    assert json.loads(event.detail_json or "") == {"b***@example.com": [{"to": "a***@example.com", "n": 1}]}


def test_a_long_diagnostic_is_cut_after_it_was_masked() -> None:
    """Of an address at the cut nothing is left that no pattern knows."""
    event = parsed(diagnostic="x" * 989 + " " + "ann.lee.of.a.long.name@example.com and more")

    assert event.diagnostic == "x" * 989 + " a***@examp"


@given(st.lists(st.tuples(st.sampled_from([*event_fields(), "detail_json", "x"]).map(str.encode), st.binary())))
def test_no_bytes_make_parsing_fail(fields: list[tuple[bytes, bytes]]) -> None:
    """Every entry is an event or a rejection."""
    assert isinstance(parse_event(fields), (DeliveryEvent, Rejection))
