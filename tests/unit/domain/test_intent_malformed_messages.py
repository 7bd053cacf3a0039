"""What is said of an entry that is no intent: plain words, few of them, and no values (R19)."""

import json
from typing import Any

import pytest

from publisher.domain.rejection import Rejection, RejectionCode
from tests.unit.domain.malformed_intents import EVERY_CASE, MAILBOX, REQUIRED, parse


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
