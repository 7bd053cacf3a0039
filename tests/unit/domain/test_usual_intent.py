"""The fast way to parse an intent: it agrees with the rules of every field, and is taken where it can be (R18, R19)."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.domain.intent_parsing import judged_intent
from publisher.domain.usual_intent import usual_intent
from tests import factories

CHANNELS = ("email", "push", "x" * 65)

TEXTS = [
    *(
        "",
        " ",
        "\t",
        "\u3000",
        "a",
        " a ",
        "a\n",
        "a\x00",
        "\x7f",
        "\x85",
        "\xa0",
        "\xad",
        "\u200b",
        "\u2028",
        "\ufeff",
    ),
    *(
        "é",
        "♞",
        "😀",
        "\ud800",
        "²",
        "٣",
        "A",
        "-1",
        "+1",
        "1_0",
        "1.0",
        "0" * 14,
        "9" * 14,
        "0" * 15,
        "user",
        "admin_email",
    ),
    *(letter * n for letter in "aé " for n in (63, 64, 65, 128, 129, 256, 257, 512, 513)),
]
MEMBERS = [
    *("", " ", "{}", "[]", "null", "{} ", " {}", "{}x", "\ufeff{}", "{", '{"a":NaN}', '{"a":1e999}', '{"a":-0.0}'),
    *('{"a":1,"a":2}', '{"a":{"b":1,"b":1}}', '{"a":"\\ud800"}', '{"\\u0000":"\\n"}', '{"a":1' + "0" * 5000 + "}"),
    *('{"a":' + "[" * 62 + "]" * 62 + "}", '{"a":' + "[" * 63 + "]" * 63 + "}", '{"a":' + "[" * 64 + "]" * 64 + "}"),
    *("[" * 63 + "]" * 63, "[" * 100_000, '{"a":' * 3000, json.dumps({"a": [{}] * 100}), '{"a":"é♞", "Z":1, "0":null}'),
    *('{"a":"' + letter * n + '"}' for n in (65_528, 65_529, 87_379, 262_136, 262_137) for letter in "xé♞"),
]
LISTS = [
    *("", "[]", "null", "{}", '["7"]', "[null]", '[{"user_id":"7"}] ', '[{"user_id":"7"}]x', '[{"email":"a@b.c"}]'),
    *('[{"user_id":"7","user_id":"8"}]', '[{"user_id":"7"},{"user_id":"7"}]', '[{"user_id":7}]', '[{"user_id":["7"]}]'),
    *(
        '["email"]',
        '["email","email"]',
        '["fax"]',
        json.dumps(["x" * 65]),
        '["email",1]',
        '"email"',
        '["push","email"]',
    ),
    *(json.dumps([{"user_id": text}]) for text in TEXTS),
    *(json.dumps([{"user_id": "7", name: text}]) for name in ("email", "locale", "name") for text in (None, 1, *TEXTS)),
    *(json.dumps([{"user_id": str(n)} for n in range(count)]) for count in (999, 1000, 1001)),
]
HOSTILE = {
    **dict.fromkeys(("notification_type", "producer", "audience_kind", "idempotency_key", "unknown"), TEXTS),
    **dict.fromkeys(("occurred_at_ms", "expires_at_ms", "not_before_ms", "request_id", "trace_id"), TEXTS),
    "lane": [*TEXTS, "urgent", "normal", "bulk", "URGENT", "bulk ", '"bulk"'],
    "recipients_json": [*MEMBERS, *LISTS],
    "channels_json": [*MEMBERS, *LISTS],
    "payload_json": [*MEMBERS, *LISTS],
}

json_texts = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=6,
).map(json.dumps)
changed = st.dictionaries(st.sampled_from(sorted(HOSTILE)), st.one_of(st.text(), json_texts), min_size=1, max_size=2)


def named(**changes: Any) -> dict[str, str]:
    """The fields of a valid intent, with these changes."""
    return factories.intent_fields(**{"idempotency_key": "turn-17"} | changes)


def assert_agreed(changes: dict[str, str]) -> None:
    """The fast way makes the intent that the rules make, or none."""
    given_fields = named() | changes
    found = usual_intent(given_fields, CHANNELS)
    assert found is None or found == judged_intent(given_fields, CHANNELS)


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_no_hostile_value_is_judged_otherwise(name: str) -> None:
    """At every limit, and with every character and JSON text at the edge of what is valid, both ways agree (R19)."""
    for value in HOSTILE[name]:
        assert_agreed({name: value})


@settings(max_examples=500)
@given(changed)
def test_it_makes_the_same_intent_or_none(changes: dict[str, str]) -> None:
    """Whatever the fields hold, the fast way accepts nothing that the rules refuse, and changes nothing (R19)."""
    assert_agreed(changes)


@pytest.mark.parametrize("missing", sorted(named()))
def test_a_field_that_is_missing_is_left_to_the_rules(missing: str) -> None:
    """Only they say which field it is."""
    assert usual_intent({name: value for name, value in named().items() if name != missing}, CHANNELS) is None


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"channels_json": ["push", "email"]},
        {"request_id": "req-1", "trace_id": ""},
        {"expires_at_ms": 1_900_000_000_000},
        {"not_before_ms": 1_899_999_999_999, "expires_at_ms": 1_900_000_000_000, "lane": "bulk"},
        {"recipients_json": [{"user_id": str(n), "email": f"{n}@example.com", "locale": "de"} for n in range(1000)]},
        {"payload_json": {"name": "Jörg ♞", "moves": [{"n": n, "x": 0.5} for n in range(100)]}},
    ],
    ids=["least", "channels", "request", "deadline", "window", "recipients", "payload"],
)
def test_the_usual_intent_is_parsed_fast(changes: dict[str, Any]) -> None:
    """What producers send every day does not need the slow way."""
    usual = named(**changes)

    assert usual_intent(usual, CHANNELS) == judged_intent(usual, CHANNELS)
