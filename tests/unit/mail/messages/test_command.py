"""Parsing commands off the email channel's stream: what is accepted, and what each rejection says."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.channels.email import EMAIL
from publisher.domain.mailbox import Mailbox
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.mail.messages.command import MailCommand, parse_command, parse_fields
from tests import factories
from tests.unit.mail.messages.commands import DELIVERY, raw_command


def test_the_channels_own_command_is_understood() -> None:
    """What the publisher writes for an email is what the mail service reads."""
    notification = factories.notification(payload='{"turn": 17, "foe": "Zoë"}', request_id="req-1", trace_id="trace-1")
    route = factories.route(resolved_email="ann+chess@example.com", resolved_locale="de-AT")
    written = EMAIL.command(notification, route)

    read = parse_command([(name.encode(), value.encode()) for name, value in written.fields])

    assert read == MailCommand(
        delivery_id=DELIVERY,
        to="ann+chess@example.com",
        template_id="game.turn.ready",
        locale="de-AT",
        variables={"turn": 17, "foe": "Zoë"},
        reply_to=(),
        requested_at=datetime(2026, 3, 14, 9, 26, 53, 589000, UTC),
        request_id="req-1",
        trace_id="trace-1",
    )
    assert parse_fields(dict(written.fields)) == read


def test_what_a_later_publisher_adds_is_ignored() -> None:
    """Unknown fields and members do no harm; without locale and lists there is a command all the same."""
    raw = raw_command({"priority": "1"}, **dict.fromkeys(("locale", "cc", "bcc", "reply_to", "attachments"), ...), x=1)

    read = parse_command(raw)

    assert isinstance(read, MailCommand)
    assert (read.locale, read.reply_to) == ("", ())


def test_answers_go_where_the_command_says() -> None:
    """reply_to may name several mailboxes."""
    read = parse_command(raw_command(reply_to=["Ann <ann@example.com>", "b@example.com"]))

    assert isinstance(read, MailCommand)
    assert read.reply_to == (Mailbox("Ann", "ann", "example.com"), Mailbox("", "b", "example.com"))


@pytest.mark.parametrize(
    ("fields", "members", "code", "said"),
    [
        ({"delivery_id": None}, {}, RejectionCode.MISSING_FIELD, "delivery_id: is missing"),
        ({"payload_json": None}, {}, RejectionCode.MISSING_FIELD, "payload_json: is missing"),
        ({"delivery_id": " "}, {}, RejectionCode.INVALID_FIELD, "delivery_id: must not be blank"),
        ({"delivery_id": "a\r\nb"}, {}, RejectionCode.CONTROL_CHARACTER, "delivery_id: must not hold control"),
        ({"delivery_id": "x" * 1025}, {}, RejectionCode.TOO_LARGE, "delivery_id: must be at most 1024"),
        ({"payload_mode": "html"}, {}, RejectionCode.INVALID_FIELD, "payload_mode: must be template"),
        ({"requested_at_ms": "-1"}, {}, RejectionCode.INVALID_FIELD, "requested_at_ms: must be Unix milliseconds"),
        ({"requested_at_ms": "9" * 15}, {}, RejectionCode.INVALID_FIELD, "requested_at_ms: must be Unix milliseconds"),
        ({"trace_id": "x" * 129}, {}, RejectionCode.TOO_LARGE, "trace_id: must be at most 128"),
        ({"payload_json": "{"}, {}, RejectionCode.INVALID_JSON, "payload_json: is not valid JSON"),
        ({"payload_json": "[" * 100_000}, {}, RejectionCode.INVALID_JSON, "payload_json: is nested too deeply"),
        ({"payload_json": '{"a":NaN}'}, {}, RejectionCode.INVALID_JSON, "NaN is no JSON number"),
        ({"payload_json": '{"a":1,"a":2}'}, {}, RejectionCode.INVALID_JSON, "names a member twice"),
        ({"payload_json": '"x"'}, {}, RejectionCode.INVALID_FIELD, "payload_json: must be a JSON object"),
        ({"payload_json": "x" * 1024 * 1025}, {}, RejectionCode.TOO_LARGE, "payload_json: must be at most 1048576"),
        ({}, {"variables": json.loads("[" * 70 + "]" * 70)}, RejectionCode.INVALID_JSON, "is nested too deeply"),
        ({}, {"variables": []}, RejectionCode.INVALID_FIELD, "variables must be a JSON object"),
        ({}, {"to": []}, RejectionCode.INVALID_FIELD, "to must be a list of one address"),
        ({}, {"to": "ann@example.com"}, RejectionCode.INVALID_FIELD, "to must be a list of one address"),
        ({}, {"to": ["a@example.com", "b@example.com"]}, RejectionCode.INVALID_FIELD, "goes to one recipient"),
        ({}, {"to": ["a@example.com\n"]}, RejectionCode.CONTROL_CHARACTER, "to: must not hold control"),
        ({}, {"to": [7]}, RejectionCode.INVALID_FIELD, "to must be text"),
        ({}, {"cc": ["b@example.com"]}, RejectionCode.INVALID_FIELD, "cc must be empty"),
        ({}, {"bcc": ["b@example.com"]}, RejectionCode.INVALID_FIELD, "bcc must be empty"),
        ({}, {"attachments": [{"name": "x"}]}, RejectionCode.INVALID_FIELD, "attachments must be empty"),
        ({}, {"reply_to": ["secret"]}, RejectionCode.INVALID_FIELD, "reply_to must hold addresses"),
        ({}, {"reply_to": "a@example.com"}, RejectionCode.INVALID_FIELD, "reply_to must be a list"),
        ({}, {"template_id": "../etc"}, RejectionCode.INVALID_FIELD, "template_id may hold only"),
        ({}, {"template_id": ".."}, RejectionCode.INVALID_FIELD, "template_id may hold only"),
        ({}, {"template_id": ...}, RejectionCode.INVALID_FIELD, "template_id may hold only"),
        ({}, {"locale": "x" * 65}, RejectionCode.TOO_LARGE, "locale: must be at most 64"),
        ({}, {"locale": 7}, RejectionCode.INVALID_FIELD, "locale must be text"),
    ],
)
def test_a_rejection_names_the_field_and_the_rule(
    fields: dict[str, Any], members: dict[str, Any], code: RejectionCode, said: str
) -> None:
    """Whoever wrote the command learns what to change; no value of it is repeated (R19, R36)."""
    verdict = parse_command(raw_command(fields, **members))

    assert isinstance(verdict, Rejection)
    assert verdict.code is code
    assert said in verdict.message
    assert verdict.message.isprintable()
    assert verdict.field in {*fields, "payload_json"}
    assert "example" not in verdict.message
    assert "secret" not in verdict.message


def test_a_payload_as_deep_as_an_intents_may_be_is_accepted() -> None:
    """Whatever intake accepted makes a command that can be read."""
    deepest = '{"a":' + "[" * 63 + "]" * 63 + "}"

    assert isinstance(parse_command(raw_command(variables=json.loads(deepest))), MailCommand)


def test_a_field_given_twice_or_not_in_utf8_is_rejected() -> None:
    """Neither of two values is taken for the right one."""
    [twice, broken] = [parse_command([*raw_command(), (b"source", value)]) for value in (b"a", b"\xff")]

    assert isinstance(twice, Rejection)
    assert isinstance(broken, Rejection)
    assert (twice.code, broken.code) == (RejectionCode.DUPLICATE_FIELD, RejectionCode.INVALID_UTF8)


names = st.sampled_from([name for name, _ in raw_command()])


@given(st.dictionaries(names | st.binary(), st.binary() | st.text().map(str.encode), max_size=3), st.binary())
def test_no_bytes_raise(changes: dict[str | bytes, bytes], payload: bytes) -> None:
    """Whatever stands on the stream is a command or a rejection, never an exception (R19)."""
    fields = dict(raw_command()) | {n.encode() if isinstance(n, str) else n: v for n, v in changes.items()}

    for raw in (list(fields.items()), list((fields | {b"payload_json": payload}).items())):
        assert isinstance(parse_command(raw), (MailCommand, Rejection))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
members = st.sampled_from(["to", "cc", "bcc", "reply_to", "template_id", "locale", "variables", "attachments"])


@given(st.dictionaries(members, json_values | st.lists(json_values, min_size=1, max_size=1), max_size=3))
def test_no_member_of_the_payload_raises(changes: dict[str, Any]) -> None:
    """Any JSON in the place of any member is judged, half a surrogate pair included."""
    assert isinstance(parse_command(raw_command(**changes)), (MailCommand, Rejection))
