"""Intents as people write them, a JSON object a line."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.intent import Intent
from publisher.domain.intent_json import RefusedLine, WrittenIntent, intent_of_line
from publisher.domain.intent_parsing import parse_intent
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


def written(line: str) -> WrittenIntent:
    """The intent of a line that is one."""
    found = intent_of_line(line.encode(), factories.CHANNELS)
    assert isinstance(found, WrittenIntent), found
    return found


def test_an_object_becomes_the_fields_of_an_entry() -> None:
    """Keys are the stream's fields without `_json`, numbers become digits, null leaves a field out."""
    fields = written(json.dumps(WRITTEN)).fields

    assert set(fields) == {
        *("notification_type", "producer", "audience_kind", "recipients_json", "channels_json", "idempotency_key"),
        *("occurred_at_ms", "payload_json"),
    }
    assert fields["occurred_at_ms"] == "1773480413589"
    assert json.loads(fields["payload_json"]) == WRITTEN["payload"]


def test_those_fields_are_the_same_intent() -> None:
    """What is sent from a file and what a producer adds by itself are one content (R18)."""
    fields = written(json.dumps(WRITTEN, indent=2)).fields
    added = factories.intent(
        **{f"{name}_json": WRITTEN[name] for name in ("recipients", "channels", "payload")}, idempotency_key="turn-17"
    )

    sent = parse_intent(factories.raw(fields), factories.CHANNELS)
    assert isinstance(sent, Intent)
    assert sent.fingerprint == added.fingerprint


@pytest.mark.parametrize("encoded", [True, False])
def test_a_field_of_the_stream_holds_json_or_its_text(encoded: bool) -> None:
    """`recipients_json` may be given as on the stream, or as the JSON itself, which is taken byte for byte."""
    renamed = {f"{name}_json": WRITTEN[name] for name in ("recipients", "channels", "payload")}
    given = {name: json.dumps(value) if encoded else value for name, value in renamed.items()}
    line = json.dumps({name: value for name, value in WRITTEN.items() if f"{name}_json" not in renamed} | given)

    assert written(line) == written(json.dumps(WRITTEN))


def test_a_line_says_whom_it_reaches() -> None:
    """Of its channels those count that reach a recipient: a user without an address gets no email."""
    line = json.dumps(WRITTEN | {"recipients": [{"user_id": "7"}], "channels": ["email", "push"]})

    assert written(line).channels == ("push",)
    assert len(written(line).intent.recipients) == 1


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "7", '"text"', "null", "{} {}", "[" * 100_000, '{"occurred_at_ms": ' + "9" * 5000 + "}"]
)
def test_what_is_no_object_is_told(line: str) -> None:
    """A line that is no JSON object is answered with a reason, in one line."""
    refused = intent_of_line(line.encode(), factories.CHANNELS)

    assert isinstance(refused, RefusedLine)
    assert refused.reason.isprintable()


def with_payload(payload: str, **fields: object) -> str:
    """A line with this text as its payload, or as the value of another name that stands as `"…"` here."""
    return json.dumps({**WRITTEN, "payload": "…", **fields}, ensure_ascii=False).replace('"…"', payload, 1)


@pytest.mark.parametrize(
    ("line", "at", "reason"),
    [
        ('{"producer": oops}', "oops", "not valid JSON: Expecting value"),
        ("{} {}", "{}{}", "not valid JSON: Extra data"),
        (' ["an", "array"]', "[", "must be a JSON object"),
        (with_payload('{"a": 1, "a": 2}'), '{"a"', "invalid_json: payload: is not valid JSON: an object names"),
        (with_payload("NaN"), "NaN", "invalid_json: payload: is not valid JSON: NaN is no JSON number"),
        (with_payload('{"a": 1e999}'), '{"a"', "invalid_json: payload: is not valid JSON: a number is out of"),
        (with_payload("[" * 65 + "]" * 65), "[[", "invalid_json: payload: is nested too deeply"),
        (with_payload('{"a": "' + "x" * 262_144 + '"}'), '{"a"', "too_large: payload"),
        (with_payload('"{}"'), '"{}"', "invalid_field: payload: must be a JSON object"),
        (with_payload("null"), 'null, "request', "missing_field: payload"),
        (" {}", " ", "missing_field: notification_type"),
        (
            with_payload("7").replace('"payload"', '"payload_json"'),
            "7, ",
            "invalid_field: payload_json: must be a JSON object",
        ),
        (with_payload("{}", payloads="1"), '"1"', "is no field of an intent; did you mean payload?"),
        (with_payload("{}", channels=["pigeon"]), '["pigeon', "unknown_channel: channels.0"),
        (with_payload("{}", producer=""), '"", "aud', "invalid_field: producer"),
        (with_payload("{}", producer="a\x85"), '"a\x85', "control_character: producer"),
        (with_payload("{}", producer=["a"]), '["a"]', "invalid_field: 'producer' must be text or a number"),
        (with_payload("{}", trace_id=True), "true", "invalid_field: 'trace_id' must be text or a number"),
        (with_payload("{}", surprise="1"), '"1"', "unknown_field: surprise"),
        (with_payload("{}", payload_json="{}"), '"{}"', "duplicate_field"),
        ('{"producer": "a", "producer": "b"}', '"b"', "duplicate_field"),
        ('{"trace_id": null, "trace_id": "b"}', '"b"', "duplicate_field"),
        (r'{"producer": "\ud800"}', r'"\ud800"', "half of a surrogate pair"),
    ],
)
def test_what_intake_refuses_is_refused_with_its_column(line: str, at: str, reason: str) -> None:
    """A bad line is told with intake's own reason, and the character where the field at fault stands (R19)."""
    refused = intent_of_line(line.encode(), factories.CHANNELS)

    assert isinstance(refused, RefusedLine)
    assert reason in refused.reason
    assert refused.column == (4 if at == "{}{}" else line.index(at) + 1)


def test_a_line_that_a_channel_cannot_judge_is_refused() -> None:
    """A third party's `reaches` that raises rejects the line, as it would reject the entry (R19, R21)."""

    def reaches(_: object) -> bool:
        raise RuntimeError("a bug")

    channels = factories.CHANNELS | {"email": replace(factories.CHANNELS["email"], reaches=reaches)}

    refused = intent_of_line(with_payload("{}").encode(), channels)

    assert isinstance(refused, RefusedLine)
    assert refused.reason.startswith("channel_failed: recipients.0: channel email")
    assert refused.column == with_payload("{}").index("[{") + 1


def test_a_line_that_is_not_utf_8_is_refused_with_its_column() -> None:
    """The column counts characters: two bytes of a letter are one."""
    assert intent_of_line('{"producer": "Jörg '.encode() + b"\xff", factories.CHANNELS) == RefusedLine(
        20, "is not UTF-8: invalid start byte"
    )


SPACE = st.text(" \t\r\n", max_size=3)
NUMBER = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
STRING = st.builds(json.dumps, st.text(max_size=8), ensure_ascii=st.booleans())


def _containers(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    padded = st.builds("".join, st.tuples(SPACE, values, SPACE))
    named = st.dictionaries(st.text(max_size=4), padded, max_size=3).map(
        lambda found: "{" + ",".join(f"{json.dumps(name)} :{value}" for name, value in found.items()) + "}"
    )
    return st.lists(padded, max_size=3).map(lambda found: f"[{','.join(found)}]") | named


PAYLOAD = st.recursive(NUMBER | STRING | st.sampled_from(["true", "null"]), _containers, max_leaves=8).map(
    lambda value: f'{{"v" : {value}\t}}'
)


@given(PAYLOAD, SPACE, SPACE)
def test_the_text_of_a_payload_goes_through_to_the_byte(payload: str, before: str, after: str) -> None:
    """Every number, escape and space of it stands on the stream as it stood in the line."""
    line = with_payload(f"{before}{payload}{after}")

    fields = written(line).fields

    assert fields["payload_json"] == payload
    assert fields["recipients_json"] == json.dumps(WRITTEN["recipients"])
    assert isinstance(parse_intent(factories.raw(fields), factories.CHANNELS), Intent)


HOSTILE = (
    PAYLOAD | st.text(max_size=12) | st.sampled_from(["NaN", '{"a": 1e999}', '{"a":1,"a":2}', "[" * 70 + "]" * 70])
)


@given(HOSTILE.filter(lambda text: text.strip() not in ("", "null")), st.text(max_size=3))
def test_a_line_is_refused_if_and_only_if_intake_would_refuse_it(payload: str, producer: str) -> None:
    """`send` judges by intake's own reading of the fields, neither milder nor stricter (R19)."""
    line = with_payload(payload, producer=producer)
    try:
        one_value = json.loads(f"[{payload}]", parse_int=str, parse_float=str)
    except ValueError:
        one_value = []
    fields = {"producer": producer, "payload_json": payload.strip(" \t\r\n")}
    recorded = factories.intent_fields(**fields, recipients_json=WRITTEN["recipients"], idempotency_key="turn-17")

    accepts = len(one_value) == 1 and isinstance(parse_intent(factories.raw(recorded), factories.CHANNELS), Intent)

    assert isinstance(intent_of_line(line.encode(), factories.CHANNELS), WrittenIntent) is accepts


@given(
    st.binary(max_size=20)
    | st.text(max_size=20).map(str.encode)
    | st.dictionaries(st.text(max_size=5), st.floats() | st.text(max_size=5)).map(lambda d: json.dumps(d).encode())
)
def test_no_line_makes_it_raise(line: bytes) -> None:
    """Whatever stands in a file, every line is an intent or a reason."""
    assert isinstance(intent_of_line(line, factories.CHANNELS), WrittenIntent | RefusedLine)
