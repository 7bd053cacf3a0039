"""A malformed intent as an operator edits it, and back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.intent import Intent
from publisher.domain.intent_parsing import parse_intent
from publisher.operations.malformed.edit import edit_form, edited_fields
from tests.factories import CHANNELS, intent_fields, raw

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def form(raw_fields: dict[str, Any]) -> dict[str, Any]:
    """The form as JSON."""
    value = json.loads(edit_form(raw_fields))
    assert isinstance(value, dict)
    return value


def test_the_form_shows_json_as_json_and_the_fields_in_their_order() -> None:
    """JSON fields can be edited as JSON; the contract's order comes first, then what it does not know."""
    fields = {"zzz": "?", **dict(reversed(intent_fields().items()))}

    shown = form(fields)

    assert list(shown) == [
        *("notification_type", "producer", "audience_kind", "idempotency_key", "occurred_at_ms", "payload_json"),
        *("recipients_json", "zzz"),
    ]
    assert shown["payload_json"] == {"game": "chess", "turn": 17}
    assert shown["recipients_json"] == [{"user_id": "7", "email": "ann@example.com"}]


@pytest.mark.parametrize(
    "text",
    [
        '{"turn": 17',
        "",
        '"text"',
        "17",
        "null",
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        '{"a": 1e999}',
        "[" * 100_000,
        '{"a": ' + "9" * 5000 + "}",
    ],
    ids=[
        *("broken", "empty", "text", "number", "null", "twice", "nan", "infinite", "abyss", "long"),
    ],
)
def test_what_is_no_json_to_be_written_again_stays_text(text: str) -> None:
    """A JSON field that does not parse, or that intake would not read, is edited as the text it is."""
    assert form({"payload_json": text}) == {"payload_json": text}
    assert edited_fields(edit_form({"payload_json": text}), {"payload_json": text}) == {"payload_json": text}


@given(st.dictionaries(TEXT.filter(lambda name: not name.endswith(")")), TEXT, max_size=6))
def test_a_form_that_is_left_alone_means_what_it_came_from(fields: dict[str, str]) -> None:
    """Any text survives the way into the editor and back, to the byte."""
    assert edited_fields(edit_form(fields, "why\nnot"), fields) == fields


def test_a_json_field_that_is_left_alone_keeps_its_text() -> None:
    """An edit elsewhere rewrites no number and no white space of the payload."""
    fields = intent_fields(payload_json='{ "price": 1.50,\t"name":"Zo\\u00eb" }', producer="")

    edited = edit_form(fields).replace('"producer": ""', '"producer": "game"')

    assert edited_fields(edited, fields) == fields | {"producer": "game"}


@pytest.mark.parametrize(
    "number", ["1.10", "12345678901234567.89", "1E2", "-0", "0.12345678901234567890123", "1e-99999999999999999999"]
)
def test_a_number_keeps_its_digits_through_an_edit_beside_it(number: str) -> None:
    """The form shows a number as it was written, and an edit of the same payload sends it as it was written."""
    fields = {"payload_json": f'{{"price":{number},"turn":[],"at": [{number}, {{}}]}}'}

    form = edit_form(fields)
    edited = edited_fields(form.replace('"turn": []', '"turn": [true, "\\u00e4"]'), fields)

    assert form.count(f" {number},") == 2
    assert edited == {"payload_json": f'{{"price": {number}, "turn": [true, "ä"], "at": [{number}, {{}}]}}'}


def test_a_mistake_is_named_by_the_line_that_the_editor_shows() -> None:
    """The comment at the top counts: line 4 is the fourth line of the file."""
    refusal = edited_fields('# why\n#\n{\n  "producer": oops\n}', {})

    assert isinstance(refusal, str)
    assert "line 4 column 15" in refusal


def test_an_edit_within_a_json_field_is_taken() -> None:
    """One recipient more, 1 made 1.0, and a letter as itself."""
    fields = intent_fields(payload_json='{"turn": 1}')
    shown = form(fields)
    shown["recipients_json"].append({"user_id": "ä"})
    shown["payload_json"]["turn"] = 1.0

    edited = edited_fields(json.dumps(shown), fields)

    assert isinstance(edited, dict)
    assert edited["payload_json"] == '{"turn": 1.0}'
    assert json.loads(edited["recipients_json"]) == [{"user_id": "7", "email": "ann@example.com"}, {"user_id": "ä"}]
    assert "ä" in edited["recipients_json"]
    assert isinstance(parse_intent(raw(edited), CHANNELS), Intent)


def test_no_character_that_a_terminal_obeys_is_in_a_form() -> None:
    """Control characters and marks of direction stand as escapes, in the reason too, and come back as themselves."""
    fields = {"producer": "\x1b[31m\x7f\x9b\u202e\U000e0001", "payload_json": '{"a": "\u2066\u200b"}'}

    written = edit_form(fields, "reason \x1b[2J\u202e\nsecond line")

    assert all(c.isprintable() or c == "\n" for c in written)
    assert written.startswith("# reason \\u001b[2J\\u202e second line\n{")
    assert edited_fields(written, fields) == fields


@pytest.mark.parametrize(
    ("value", "name", "reads"),
    [
        ({"base64": "Y2Fm6Q=="}, "producer (bytes)", r"caf\xe9"),
        ({"base64": "YQBi"}, "producer (bytes)", "a\0b"),
        (["a", {"base64": "/w=="}], "producer (given 2 times)", ["a", r"\xff"]),
        ({"cut": "begin", "bytes": 20_000_000}, "producer (cut)", "begin"),
    ],
    ids=["bytes", "nul", "twice", "cut"],
)
def test_what_cannot_be_sent_can_be_read_and_must_be_rewritten(value: object, name: str, reads: object) -> None:
    """Bytes, repetitions and beginnings stand under a marked name, and are refused until written as text."""
    fields = {"producer": value}

    assert form(fields) == {name: reads}
    refusal = edited_fields(edit_form(fields), fields)
    assert isinstance(refusal, str)
    assert repr(name) in refusal
    assert edited_fields('{"producer": "café"}', fields) == {"producer": "café"}


def test_numbers_become_digits_and_null_leaves_a_field_out() -> None:
    """As in `publisher intents send`."""
    edited = edited_fields(
        '\ufeff# a\n#b\n\n{"occurred_at_ms": 1773480413589, "trace_id": null}\r\n', {"trace_id": "t"}
    )

    assert edited == {"occurred_at_ms": "1773480413589"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not valid JSON"),
        ("# only a comment", "not valid JSON"),
        ("{", "not valid JSON"),
        ("{} # not at the top", "not valid JSON"),
        ("[]", "must be a JSON object"),
        ('{"producer": "a", "producer": "b"}', "names a member twice"),
        ('{"payload_json": {"a": Infinity}}', "no JSON number"),
        ('{"producer": ["a"]}', "'producer' must be text"),
        ('{"producer": true}', "'producer' must be text"),
        ('{"occurred_at_ms": 1.5}', "'occurred_at_ms' must be text"),
        ('{"producer": "\\ud800"}', "half of a surrogate pair"),
        ('{"payload_json": "\\udfff"}', "half of a surrogate pair"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_an_edit_that_makes_no_fields_is_refused_with_its_reason(text: str, reason: str) -> None:
    """Nothing is guessed: what is no JSON object of fields is said to be none."""
    refusal = edited_fields(text, {})

    assert isinstance(refusal, str)
    assert reason in refusal
