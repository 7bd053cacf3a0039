"""Intents with one fault in them, by the code of the fault."""

from typing import Any

from publisher.domain.intent import Intent
from publisher.domain.intent_parsing import parse_intent
from publisher.domain.rejection import Rejection
from tests import factories

REQUIRED = [
    *("notification_type", "producer", "audience_kind", "recipients_json", "idempotency_key", "occurred_at_ms"),
    "payload_json",
]
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
