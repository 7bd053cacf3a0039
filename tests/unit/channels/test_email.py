"""The Mail Service's delivery command (R22, R23)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.channels.email import EMAIL, has_email
from publisher.domain.channel import Command
from publisher.domain.errors import EncodingError
from publisher.domain.recipient import Recipient
from tests import factories

# Any character at all, halves of surrogate pairs too, and those that matter more often than by chance.
hostile_text = st.lists(st.one_of(st.sampled_from('@\r\n\0 \u2028"\\<>'), st.characters(codec=None)), max_size=12).map(
    "".join
)
payloads = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
).map(json.dumps)


def encode(payload: str = "{}", **route: object) -> Command:
    """The command of a route with these fields."""
    return EMAIL.command(factories.notification(payload=payload), factories.route(**route))


def test_a_whole_command() -> None:
    """Every field has the name, the order and the bytes that the Mail Service reads."""
    notification = factories.notification(
        payload='{"turn": 17, "stake": 1.10, "foe": "Zoë"}',
        request_id="req-1",
        trace_id="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    route = factories.route(resolved_email="ann+chess@example.com", resolved_locale="de-AT")

    command = EMAIL.command(notification, route)

    assert command.fields == (
        ("delivery_id", "b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/email:user:7"),
        ("source", "notification"),
        ("payload_mode", "template"),
        ("idempotency_key", "notification:b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/email:user:7"),
        ("requested_at_ms", "1773480413589"),
        (
            "payload_json",
            (
                '{"to":["ann+chess@example.com"],"cc":[],"bcc":[],"reply_to":[],"template_id":"game.turn.ready",'
                '"locale":"de-AT","variables":{"turn": 17, "stake": 1.10, "foe": "Zoë"},"attachments":[]}'
            ),
        ),
        ("request_id", "req-1"),
        ("trace_id", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    )


def test_ids_that_the_intent_had_not_are_left_out() -> None:
    """Without request_id and trace_id the command has no such fields, rather than empty ones."""
    assert [name for name, _ in encode().fields][-1] == "payload_json"


def test_the_request_is_as_old_as_the_acceptance() -> None:
    """requested_at_ms is when the intent was accepted, not when it occurred."""
    notification = factories.notification(occurred_at=factories.INSTANT.replace(year=2020))

    fields = dict(EMAIL.command(notification, factories.route()).fields)

    assert fields["requested_at_ms"] == "1773480413589"


@pytest.mark.parametrize(("resolved", "sent"), [(None, "en"), ("", "en"), ("fr", "fr"), ('q"\\', 'q"\\')])
def test_the_locale_is_english_unless_the_recipient_has_one(resolved: str | None, sent: str) -> None:
    """A recipient without a locale is written to in English."""
    payload = json.loads(dict(encode(resolved_locale=resolved).fields)["payload_json"])

    assert payload["locale"] == sent


@given(payloads, st.none() | st.text(max_size=8), st.emails())
def test_the_same_route_makes_the_same_bytes(payload: str, locale: str | None, address: str) -> None:
    """A second attempt encodes exactly what the first did, and the payload arrives as it was (R22)."""
    first = encode(payload, resolved_locale=locale, resolved_email=address)
    second = encode(payload, resolved_locale=locale, resolved_email=address)

    assert first == second
    document = json.loads(dict(first.fields)["payload_json"])
    assert (document["variables"], document["to"]) == (json.loads(payload), [address])


@given(hostile_text)
def test_an_address_goes_out_as_it_is_or_not_at_all(address: str) -> None:
    """No text of a producer's becomes an address that it is not: one @, no line break, nothing rewritten (R23)."""
    try:
        command = encode(resolved_email=address)
    except EncodingError:
        return

    assert json.loads(dict(command.fields)["payload_json"])["to"] == [address]
    assert address.count("@") == 1
    assert not set(address) & {"\r", "\n"}


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "ann",
        "ann.example.com",
        "ann@@example.com",
        "ann@example@com",
        "@",
        "@example.com",
        "ann@",
        " @ ",
        "ann@example.com\n",
        "ann@example.com\r",
        "ann\r\nBcc: eve@example.com",
        "\nann@example.com",
    ],
)
def test_a_bad_address_makes_no_command(address: str | None) -> None:
    """An address with CR, LF or without exactly one @, or none at all, is an encoding failure (R23)."""
    with pytest.raises(EncodingError):
        encode(resolved_email=address)


@pytest.mark.parametrize("address", ["secret", "secret@@example.com", "secret\n@example.com", "secret@"])
def test_the_failure_does_not_repeat_the_address(address: str) -> None:
    """What is stored and logged of a bad address says what is wrong with it, not what it was (R23, R26)."""
    with pytest.raises(EncodingError) as failed:
        encode(resolved_email=address)

    assert "secret" not in str(failed.value)


def test_a_command_over_a_mebibyte_makes_none() -> None:
    """A payload that makes the command larger than 1 MiB is an encoding failure (R23)."""
    with pytest.raises(EncodingError, match="over the limit"):
        encode('{"text": "' + "x" * 1024 * 1024 + '"}')


@pytest.mark.parametrize(("email", "reached"), [("ann@example.com", True), ("no address", True), (None, False)])
def test_whoever_has_an_address_is_reached(email: str | None, reached: bool) -> None:
    """Only a missing address skips a route; a bad one is tried, and fails where it can be seen (R3, R19, R23)."""
    assert has_email(Recipient("7", email, None)) is reached


def test_the_channel_is_the_one_of_the_spec() -> None:
    """Stream, attempts, ceiling and failure classification of this channel are the documented ones (R7)."""
    described = (EMAIL.name, EMAIL.stream, EMAIL.max_attempts, EMAIL.stream_ceiling, EMAIL.stream_failure)

    assert described == ("email", "mail:delivery_commands", 16, 100_000, "mail_stream_publish_failed")
