"""What an entry of the intents stream means (R1, R18)."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher.domain.intent import AudienceKind, Intent, intent_of
from publisher.domain.intent_parsing import parse_intent
from publisher.domain.notification import delivery_id_of, notification_id_of
from publisher.domain.recipient import Recipient
from publisher.domain.rejection import Rejection
from tests import factories

KEY = {"idempotency_key": "turn-17"}
FULL: dict[str, Any] = {
    **KEY,
    "recipients_json": [
        {"user_id": "7", "email": "ann@example.com", "locale": "de"},
        {"user_id": "8", "email": "bob@example.com"},
    ],
    "channels_json": ["email", "push"],
    "payload_json": {"b": {"x": 1, "y": [0.5, 2]}, "a": "é"},
}


def test_every_field_arrives() -> None:
    """An intent says what its fields say, the payload byte for byte."""
    intent = factories.intent(
        **{**FULL, "payload_json": '{ "stake": 1.10 }'}, request_id="req-1", trace_id="00-4bf9-00f0-01"
    )

    assert intent == Intent(
        notification_type="game.turn.ready",
        producer="game-service",
        audience_kind=AudienceKind.USER,
        recipients=(Recipient("7", "ann@example.com", "de"), Recipient("8", "bob@example.com", None)),
        channels=("email", "push"),
        idempotency_key="turn-17",
        occurred_at=datetime(2026, 3, 14, 9, 26, 53, 589_000, tzinfo=UTC),
        payload='{ "stake": 1.10 }',
        request_id="req-1",
        trace_id="00-4bf9-00f0-01",
        fingerprint=intent.fingerprint,
    )


def test_what_is_optional_may_be_left_out() -> None:
    """Without channels, request_id, trace_id, email and locale an intent is whole."""
    intent = factories.intent(recipients_json=[{"user_id": "7"}])

    assert intent.recipients == (Recipient("7", None, None),)
    assert (intent.channels, intent.request_id, intent.trace_id) == (None, None, None)


@pytest.mark.parametrize("nothing", ["", None])
def test_an_empty_address_or_id_is_none(nothing: str | None) -> None:
    """A producer that always fills every field means the same as one that leaves it out."""
    intent = factories.intent(
        recipients_json=[{"user_id": "7", "email": nothing}], request_id=nothing, trace_id=nothing
    )

    assert (intent.recipients[0].email, intent.request_id, intent.trace_id) == (None, None, None)


def test_an_intent_may_address_mailboxes() -> None:
    """The audience `admin_email` names addresses and no users."""
    intent = factories.intent(
        audience_kind="admin_email", recipients_json=[{"email": "ops@example.com", "locale": "fr"}]
    )

    assert intent.audience_kind is AudienceKind.ADMIN_EMAIL
    assert intent.recipients == (Recipient(None, "ops@example.com", "fr"),)


@pytest.mark.parametrize(
    ("recipient", "reference"),
    [
        (Recipient("7", "ann@example.com", None), "user:7"),
        (Recipient("7", None, None), "user:7"),
        (Recipient(None, "ann@example.com", None), "address:ann@example.com"),
    ],
)
def test_a_recipient_has_a_reference(recipient: Recipient, reference: str) -> None:
    """A user's reference is made of the id alone, so that it survives a new address (R1)."""
    assert recipient.ref == reference


@pytest.mark.parametrize(
    "fields",
    [
        {"notification_type": "a" * 128},
        {"notification_type": "0.a_b-c"},
        {"producer": "p" * 64},
        {"producer": "Ж" * 64},
        {"idempotency_key": "k" * 256},
        {"request_id": "r" * 128, "trace_id": "t" * 128},
        {"occurred_at_ms": "0"},
        {"expires_at_ms": "0"},
        {"not_before_ms": "0", "expires_at_ms": "1"},
        {"lane": "urgent"},
        {"lane": "normal"},
        {"lane": "bulk"},
        {"recipients_json": [{"user_id": str(n)} for n in range(1000)]},
        {"recipients_json": [{"user_id": "7"}, {"user_id": "07"}, {"user_id": "7 "}]},
        {"channels_json": ["push"]},
        {"payload_json": {}},
        {"payload_json": '{"text":"' + "x" * (256 * 1024 - 11) + '"}'},
        {"payload_json": '{"a":' + "[" * 63 + "]" * 63 + "}"},
        {"payload_json": '{"n":' + "9" * 4300 + "}"},
        {"payload_json": '{"control characters": "\\u0000\\n\\ud800", "\\u0001": 1}'},
        {"payload_json": '{"tiny": 1e-999, "huge": 1e308}'},
    ],
)
def test_the_limits_themselves_are_allowed(fields: dict[str, Any]) -> None:
    """What is just inside every limit is accepted (R19)."""
    assert isinstance(factories.intent(**fields), Intent)


@pytest.mark.parametrize("email", ["nobody", "a@b@c", "ann at example.com", "@", "ann@example.com;eve@example.com"])
@pytest.mark.parametrize("audience", ["user", "admin_email"])
def test_a_mere_non_address_is_accepted(email: str, audience: str) -> None:
    """A text that no mail can go to fails when it is encoded, where an operator can see and requeue it (R19, R23)."""
    recipient = {"email": email} if audience == "admin_email" else {"user_id": "7", "email": email}

    intent = factories.intent(audience_kind=audience, recipients_json=[recipient])

    assert intent.recipients[0].email == email


def test_a_known_key_has_its_known_id() -> None:
    """This id was given out: a release that derives another would publish everything again on a replay (R1)."""
    assert notification_id_of("game-service", "turn-17") == "0bf75ccd-d5bd-5670-b43e-ae8573d426ef"
    assert factories.intent(**KEY).notification_id == "0bf75ccd-d5bd-5670-b43e-ae8573d426ef"


def test_nothing_but_producer_and_key_makes_the_id() -> None:
    """The same key of the same producer is the same notification, whatever it says (R1, R18)."""
    other = factories.intent(**KEY, payload_json={"turn": 18}, recipients_json=[{"user_id": "8"}], occurred_at_ms="1")

    assert other.notification_id == factories.intent(**KEY).notification_id


@given(st.lists(st.tuples(st.text("ab:/\n", max_size=3), st.text("ab:/", max_size=3)), min_size=2, max_size=2))
def test_different_keys_have_different_ids(pairs: list[tuple[str, str]]) -> None:
    """No producer can give a key that is taken for another producer's (R1). Neither part holds a line feed (R19)."""
    (one, other) = [(producer.replace("\n", ""), key) for producer, key in pairs]

    assert (notification_id_of(*one) == notification_id_of(*other)) is (one == other)


def test_a_delivery_is_named_by_notification_and_route() -> None:
    """The delivery id is `<notification_id>/<route_id>` (R1)."""
    route = factories.route(notification_id="n-1", route_id="email:address:ann@example.com")

    assert route.delivery_id == delivery_id_of("n-1", "email:address:ann@example.com")
    assert route.delivery_id == "n-1/email:address:ann@example.com"


def test_a_known_content_has_its_known_fingerprint() -> None:
    """Fingerprints are stored: a release that made others would take every repetition for a conflict (R18)."""
    known = "163b0d97b081e0480cc4923ceac96fbb60dd4d083d4001c6af3c9c766fc6232a"

    assert factories.intent(**KEY).fingerprint == known


@pytest.mark.parametrize(
    "fields",
    [
        {"request_id": "another"},
        {"trace_id": "another"},
        {"payload_json": ' {"a" : "\\u00e9",\n"b":{"y":[5e-1 ,2],"x":1}}\t'},
        {"payload_json": {"b": {"y": [0.5, 2], "x": 1}, "a": "é"}},
        {"recipients_json": FULL["recipients_json"][::-1]},
        {
            "recipients_json": [
                {"locale": "de", "email": "ann@example.com", "user_id": "7"},
                {"user_id": "8", "email": "bob@example.com", "locale": None},
            ]
        },
        {"channels_json": ["push", "email"]},
        {"occurred_at_ms": "01773480413589"},
    ],
)
def test_the_same_content_in_other_words_is_the_same(fields: dict[str, Any]) -> None:
    """Order, white space, escapes, request_id and trace_id make no other content (R18)."""
    assert factories.intent(**{**FULL, **fields}).fingerprint == factories.intent(**FULL).fingerprint


@pytest.mark.parametrize(
    "fields",
    [
        {"notification_type": "game.turn.missed"},
        {"producer": "chess-service"},
        {"idempotency_key": "turn-18"},
        {"occurred_at_ms": "1773480413590"},
        {"expires_at_ms": "1773480413590"},
        {"not_before_ms": "1773480413590"},
        {"lane": "bulk"},
        {"channels_json": ["email"]},
        {"channels_json": None},
        {"recipients_json": FULL["recipients_json"][:1]},
        {"recipients_json": [{"user_id": "7"}, {"user_id": "8", "email": "bob@example.com"}]},
        {"recipients_json": [{**FULL["recipients_json"][0], "locale": "fr"}, FULL["recipients_json"][1]]},
        {"payload_json": {"b": {"x": 1, "y": [2, 0.5]}, "a": "é"}},
        {"payload_json": {"b": {"x": 1, "y": [0.25, 2]}, "a": "é"}},
        {"payload_json": {"b": {"x": True, "y": [0.5, 2]}, "a": "é"}},
        {"payload_json": {"b": {"x": "1", "y": [0.5, 2]}, "a": "é"}},
        {"payload_json": {"b": {"x": 1, "y": [0.5, 2]}, "a": "e"}},
        {"payload_json": {"b": {"x": 1, "y": [0.5, 2]}, "a": "é", "c": None}},
    ],
)
def test_other_content_is_not_the_same(fields: dict[str, Any]) -> None:
    """Any difference in what is said, and to whom, is a difference (R18)."""
    assert factories.intent(**{**FULL, **fields}).fingerprint != factories.intent(**FULL).fingerprint


def test_a_user_and_a_mailbox_are_not_the_same() -> None:
    """A user known only by id and a mailbox of the same text are different recipients (R18)."""
    user = factories.intent(**KEY, recipients_json=[{"user_id": "ann"}])
    mailbox = factories.intent(**KEY, audience_kind="admin_email", recipients_json=[{"email": "ann"}])

    assert user.fingerprint != mailbox.fingerprint


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.lists(st.integers()), max_size=5))
def test_the_spelling_of_a_payload_makes_no_difference(payload: dict[str, object]) -> None:
    """Two writers of JSON agree on the content, however they write it (R18)."""
    backwards = dict(reversed(payload.items()))
    dense = json.dumps(payload, separators=(",", ":"))
    roomy = json.dumps(backwards, indent=4, ensure_ascii=False)

    assert (
        factories.intent(**KEY, payload_json=dense).fingerprint
        == factories.intent(**KEY, payload_json=roomy).fingerprint
    )


def test_the_order_of_fields_on_the_stream_makes_no_difference() -> None:
    """A stream entry's fields may stand in any order (R18)."""
    raw = factories.raw(factories.intent_fields(**FULL))

    one, other = (parse_intent(fields, factories.CHANNELS) for fields in (raw, raw[::-1]))

    assert not isinstance(one, Rejection)
    assert one == other


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=4))
@example(["\x7f"])
@example(["naïve", "\u2028", '\x00\x1f"\\/', "😀"])
def test_a_fingerprint_is_that_of_earlier_releases(texts: list[str]) -> None:
    """Whatever an intent holds: it is the SHA-256 of the JSON that Python's own encoder writes (R18)."""
    recipients = tuple(Recipient(text, None, None) for text in texts)
    at = datetime(2026, 3, 14, tzinfo=UTC)
    made = intent_of(
        notification_type="t",
        producer=texts[0],
        audience_kind=AudienceKind.USER,
        recipients=recipients,
        channels=None,
        idempotency_key=texts[-1],
        occurred_at=at,
        payload="{}",
        content={},
        request_id=None,
        trace_id=None,
        expires_at=None,
    )

    written = json.dumps(
        ["t", texts[0], "user", sorted([text, "", ""] for text in texts), None, texts[-1], at.isoformat(), "{}"],
        separators=(",", ":"),
    )
    assert made.fingerprint == hashlib.sha256(written.encode()).hexdigest()
