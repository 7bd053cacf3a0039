"""Entries of the intents stream that are no intents, and what is said of them (R19)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.intent import Intent
from publisher.domain.intent_parsing import parse_intent
from publisher.domain.rejection import Rejection, RejectionCode
from tests import factories

REQUIRED = [
    *("notification_type", "producer", "audience_kind", "recipients_json", "idempotency_key", "occurred_at_ms"),
    "payload_json",
]
OPTIONAL = ["channels_json", "request_id", "trace_id"]
MAILBOX = {"audience_kind": "admin_email"}

CASES: dict[str, list[dict[str, Any]]] = {
    "missing_field": [
        *({name: None} for name in REQUIRED),
        dict.fromkeys(REQUIRED),
        {"recipients_json": [{}]},
        {"recipients_json": [{"email": "ann@example.com"}]},
        {**MAILBOX, "recipients_json": [{"locale": "de"}]},
    ],
    "unknown_field": [
        {"payload": "{}"},
        {"": "x"},
        {"Producer": "game-service"},
        {"recipients_json": [{"user_id": "7", "phone": "1"}]},
        {**MAILBOX, "recipients_json": [{"email": "ann@example.com", "user_id": "7"}]},
    ],
    "invalid_field": [
        *({"notification_type": text} for text in ("", "Game", "game turn", "game/turn", "a" * 129, "a\n", "é")),
        *({"audience_kind": text} for text in ("", "users", "USER", "admin_email ")),
        *(
            {name: text}
            for name in ("occurred_at_ms", "expires_at_ms", "not_before_ms")
            for text in ("", "-1", "+1", "1.5", " 1", "1\n", "1e3", "٣", "0x1", "now", "1" * 15)
        ),
        *({"not_before_ms": time, "expires_at_ms": "1773480413589"} for time in ("1773480413589", "1773480413590")),
        *({"lane": text} for text in ("", "fast", "URGENT", "urgent ", "0")),
        *({name: text} for name in ("producer", "idempotency_key") for text in ("", " ", "\u3000")),
        *({"recipients_json": value} for value in ([], {}, "null", "7", '"7"', [None], [[]], ["7"])),
        *({"recipients_json": [{"user_id": value}]} for value in (7, None, "", " ", True, ["7"], {"id": "7"})),
        *({"recipients_json": [{"user_id": "7", "email": value}]} for value in (7, False, ["a@b.c"])),
        *({**MAILBOX, "recipients_json": [{"email": value}]} for value in ("", " ", None, 7)),
        *({"channels_json": value} for value in ([], "null", {}, "7", [7], [None], ["email", "email"])),
        *({"payload_json": text} for text in ("null", "[]", "7", '"text"', "true")),
        {"recipients_json": '[{"user_id": "\\ud800"}]'},
    ],
    "invalid_json": [
        *(
            {name: text}
            for name in ("recipients_json", "channels_json", "payload_json")
            for text in ("", "{", "[1,]", "{'a': 1}", "{} {}", "nul", "[" * 30_000)
        ),
        *({"payload_json": f'{{"n": {n}}}'} for n in ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "01", "+1")),
        {"payload_json": '{"n": ' + "9" * 5000 + "}"},
        {"payload_json": '{"a": 1, "a": 1}'},
        {"payload_json": '{"a": [{"b": 1, "\\u0062": 2}]}'},
        {"payload_json": '{"a": "raw \n line feed"}'},
        {"payload_json": '{"a":' + "[" * 64 + "]" * 64 + "}"},
        {"payload_json": '{"a":' * 40_000 + "1" + "}" * 40_000},
        {"payload_json": "\ufeff{}"},
        {"recipients_json": '[{"user_id": "7", "user_id": "8"}]'},
    ],
    "control_character": [
        *(
            {name: f"x{character}y"}
            for name in ("producer", "idempotency_key", "request_id", "trace_id")
            for character in "\0\n\r\t\x1b\x7f\x85\x9f"
        ),
        {"recipients_json": [{"user_id": "7\0"}]},
        {"recipients_json": [{"user_id": "7", "email": "ann@example.com\r\nBcc: eve@example.com"}]},
        {"recipients_json": [{"user_id": "7", "locale": "de\n"}]},
        {**MAILBOX, "recipients_json": [{"email": "ann@exa\rmple.com"}]},
        {"channels_json": ["email\n"]},
    ],
    "too_large": [
        {"producer": "p" * 65},
        {"idempotency_key": "k" * 257},
        {"request_id": "r" * 129},
        {"trace_id": "t" * 129},
        {"recipients_json": [{"user_id": str(n)} for n in range(1001)]},
        {"recipients_json": [{"user_id": "7" * 257}]},
        {**MAILBOX, "recipients_json": [{"email": str(n)} for n in range(1001)]},
        {"payload_json": '{"text":"' + "x" * (256 * 1024 - 10) + '"}'},
        {"payload_json": '{"text":"' + "é" * (128 * 1024) + '"}'},
    ],
    "duplicate_recipient": [
        {"recipients_json": [{"user_id": "7"}, {"user_id": "8"}, {"user_id": "7", "email": "ann@example.com"}]},
        {**MAILBOX, "recipients_json": [{"email": "ann@example.com"}, {"email": "ann@example.com", "locale": "de"}]},
    ],
    "unknown_channel": [{"channels_json": ["sms"]}, {"channels_json": ["push", "Email"]}, {"channels_json": [""]}],
}
EVERY_CASE = [(code, fields) for code, cases in CASES.items() for fields in cases]


def parse(fields: dict[str, Any]) -> Intent | Rejection:
    """What becomes of a valid entry with these fields in it."""
    return parse_intent(factories.raw(factories.intent_fields(**fields)), factories.CHANNELS)


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


@pytest.mark.parametrize(
    "fields",
    [
        {"producer": "hunter2\n"},
        {"producer": "hunter2" * 10},
        {"notification_type": "Hunter2 hunter2"},
        {"audience_kind": "hunter2"},
        {"occurred_at_ms": "hunter2"},
        {"recipients_json": '[{"user_id": "7", "email": "hunter2\\n@example.com"}]'},
        {"recipients_json": [{"user_id": "hunter2"}, {"user_id": "hunter2"}]},
        {"recipients_json": '["hunter2"'},
        {"payload_json": '{"card": hunter2}'},
        {"payload_json": '{"hunter2": 1, "hunter2": 2}'},
        {"payload_json": '["hunter2"]'},
        {"unexpected": "hunter2"},
    ],
)
def test_the_message_repeats_no_values(fields: dict[str, Any]) -> None:
    """Messages are logged and shown: what a producer wrote stays in the raw fields (R19, R26)."""
    malformed = parse(fields)

    assert isinstance(malformed, Rejection)
    assert "hunter2" not in malformed.message


def test_an_unknown_channel_is_told_with_a_near_one_and_all() -> None:
    """Only names of channels that there are: never the one that the producer wrote (R19)."""
    [near, far] = [parse({"channels_json": ["push", name]}) for name in ("emial", "sms")]

    assert isinstance(near, Rejection)
    assert isinstance(far, Rejection)
    assert near.message == "channels_json.1: no such channel; did you mean email? there are: email, push"
    assert far.message == "channels_json.1: no such channel; there are: email, push"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"producer": None}, "producer: is missing"),
        ({"recipients_json": []}, "recipients_json: must name at least one recipient"),
        ({"recipients_json": {}}, "recipients_json: must be a JSON array"),
        ({"recipients_json": [7]}, "recipients_json.0: must be a JSON object"),
        ({"recipients_json": [{"user_id": 7}]}, "recipients_json.0.user_id: must be text"),
        (
            {"recipients_json": [{"user_id": str(n)} for n in range(1001)]},
            "recipients_json: must name at most 1000 recipients",
        ),
        (
            {"notification_type": "Game turn"},
            "notification_type: may hold only a-z 0-9 . _ -, at least one and at most 128 characters",
        ),
        ({"audience_kind": "users"}, "audience_kind: must be 'user' or 'admin_email'"),
        ({"producer": "p" * 65}, "producer: must be at most 64 characters"),
        ({"payload": "{}"}, "payload: is no field of an intent; did you mean payload_json?"),
        ({"phone": "1"}, "phone: is no field of an intent"),
        (
            {"recipients_json": [{"user_id": "7", "mail": "a@b.c"}]},
            "recipients_json.0.mail: is no field of a recipient; did you mean email?",
        ),
        (
            {**MAILBOX, "recipients_json": [{"email": "a@b.c", "userid": "7"}]},
            "recipients_json.0.userid: is no field of a recipient",
        ),
    ],
)
def test_a_fault_is_told_in_plain_words(fields: dict[str, Any], message: str) -> None:
    """The field and what it must be; of an unknown field the one that was meant, if one is near (R19)."""
    malformed = parse(fields)

    assert isinstance(malformed, Rejection)
    assert malformed.message == message


@pytest.mark.parametrize("fields", [fields for _, fields in EVERY_CASE])
def test_no_fault_is_told_in_the_words_of_the_library(fields: dict[str, Any]) -> None:
    """A producer knows neither pydantic's types nor regular expressions (R19)."""
    malformed = parse(fields)

    assert isinstance(malformed, Rejection)
    assert not any(
        words in malformed.message
        for words in ("Input should", "String should", "List should", "Field ", "not permitted")
    )


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "fields",
    [
        {"recipients_json": "[" + "1," * 1_000_000 + "1]"},
        {"channels_json": "[" + "1," * 1_000_000 + "1]"},
        {"channels_json": json.dumps([f"c{n}" for n in range(2_000)])},
        {f"unexpected {n}": "x" for n in range(1_000)},
        {"x" * 100_000: "x"},
    ],
    ids=["recipients", "channels", "channel names", "fields", "a name"],
)
def test_a_flood_of_faults_makes_a_short_message(fields: dict[str, Any]) -> None:
    """However much is wrong, little is said of it, and little memory taken (R19)."""
    malformed = parse(fields)

    assert isinstance(malformed, Rejection)
    assert len(malformed.message) < 2_000


def test_several_faults_are_told_at_once() -> None:
    """A producer sees more than the first fault of an entry; the code is the first one's (R19)."""
    malformed = parse({"producer": None, "payload_json": "{", "occurred_at_ms": "now"})

    assert isinstance(malformed, Rejection)
    assert malformed.code is RejectionCode.MISSING_FIELD
    assert all(name in malformed.message for name in ("producer", "payload_json", "occurred_at_ms"))


@pytest.mark.parametrize(("faults", "rest"), [(5, ""), (6, "; and 1 more"), (7, "; and 2 more")])
def test_of_many_faults_the_rest_is_counted(faults: int, rest: str) -> None:
    """Five faults are told one by one, and of more their number (R19)."""
    malformed = parse(dict.fromkeys(REQUIRED[:faults]))

    assert isinstance(malformed, Rejection)
    assert malformed.message.count("is missing") == 5
    assert malformed.message.endswith(f"is missing{rest}")


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
