"""The advice for each cause and state: a requeue is named where it can help, and only there (R3, R7, R13)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.domain.channel import COMMAND_SIZE_LIMIT
from publisher.domain.notification import RouteStatus
from publisher.operations.explain.explain import explain
from publisher.operations.remedy.remedy import Advice, Remedy
from storage.dead_letters import DeadLetterRecord
from tests.factories import route_record
from tests.unit.operations.explain.test_explain import MINUTE, NOW, OPEN, PARKED, STREAM, told
from tests.unit.operations.explain.test_explain_final import DEAD

ENCODING = "payload_encoding_failed"
MAIL = "mail_stream_publish_failed"
AT_SIGN = "the email address must have exactly one @, and text on both sides of it"
TOO_LARGE = f"the command is {COMMAND_SIZE_LIMIT + 1} bytes, over the limit of {COMMAND_SIZE_LIMIT}"


def remedies(**fields: object) -> list[Remedy]:
    """The remedies that the explanation of such a route leads to."""
    found = explain(route_record(**fields), OPEN, STREAM).next
    return [sentence.remedy for sentence in found if isinstance(sentence, Advice)]


@pytest.mark.parametrize(
    ("classification", "message", "remedy", "words"),
    [
        (ENCODING, AT_SIGN, Remedy.DISCARD, "A requeue does not help: the address is stored with the route"),
        (ENCODING, "the route has no email address", Remedy.DISCARD, "an intent with the correct address"),
        (ENCODING, TOO_LARGE, Remedy.DISCARD, "an intent with a smaller payload"),
        (ENCODING, "the email encoder raised KeyError: 'a'", Remedy.REQUEUE, "the package of channel email is mended"),
        (MAIL, "Redis refused: WRONGTYPE Operation", Remedy.REQUEUE, f"Once {STREAM} is a stream again"),
        (MAIL, "Redis refused: OOM command not allowed", Remedy.REQUEUE, "Once Redis has memory again"),
        (MAIL, "Redis refused: NOPERM no permissions", Remedy.REQUEUE, f"may write {STREAM}"),
        (MAIL, "Redis refused: MISCONF errors", Remedy.REQUEUE, "can write to its disk again"),
        (MAIL, "Redis refused: READONLY replica", Remedy.REQUEUE, "leads to the primary"),
        (MAIL, "Redis is not available: timeout", Remedy.REQUEUE, "Once Redis is available again"),
        (MAIL, "PostgreSQL is not available: gone", Remedy.REQUEUE, f"Once {STREAM} takes commands again"),
        ("gateway_stream_publish_failed", None, Remedy.REQUEUE, f"Once {STREAM} takes commands again"),
        ("lease_expired", "5 leases in a row", Remedy.REQUEUE, "its workers no longer end on it: see their logs"),
    ],
)
def test_a_dead_letter_names_the_remedy_for_its_cause(
    classification: str, message: str | None, remedy: Remedy, words: str
) -> None:
    """What is stored with the route is never helped by a requeue; everything else is, once it is mended."""
    dead = DEAD | {"last_failure_classification": classification, "last_failure_message": message}

    assert remedies(**dead) == [remedy]
    assert words in " ".join(map(str, told(**dead).next))


def test_a_bad_address_is_told_before_the_attempts_are_used_up() -> None:
    """A route that waits for its next attempt says that it will fail in the same way, and what to correct."""
    fields = {
        "status": RouteStatus.FAILED,
        "attempt_count": 1,
        "last_failure_classification": ENCODING,
        "last_failure_message": AT_SIGN,
        "last_failure_at": NOW,
        "next_attempt_at": NOW + MINUTE,
    }

    assert told(**fields).next[1:] == (
        "Each attempt will fail in the same way: the address is stored with the route, and stays as it is.",
        (
            "To send it all the same, correct it at the producer: an intent with the correct address, under another"
            " idempotency key, makes a new notification."
        ),
    )


def test_a_dead_letter_that_was_discarded_says_by_whom() -> None:
    """Nothing more is advised."""
    letter = DeadLetterRecord(
        *(1, "notification", "email:user:7", "email", "game.turn.ready", ENCODING, AT_SIGN, 16, 16, NOW, None, None),
        discarded_at=NOW - timedelta(seconds=2),
        discarded_by="ann",
    )
    found = explain(route_record(**DEAD), OPEN, STREAM, letter)

    assert found.next == ("Nothing: ann discarded it 2026-03-14 09:26:51.589Z (2 s ago).",)


@pytest.mark.parametrize(
    "reason",
    [
        "mail is 100,000 commands behind",
        f"no consumer group reads {STREAM} and 100,000 commands stand on it: create the reader's group",
    ],
)
def test_a_route_that_is_held_back_waits_for_the_readers_of_its_stream(reason: str) -> None:
    """The stream and the state of the group are named, and that its readers must read (R13)."""
    explanation = told(replace(PARKED, park_reason=reason))

    assert reason in explanation.why[-1]
    assert str(explanation.next[0]).startswith(f"The readers of {STREAM} must read and acknowledge its commands")


def test_an_intent_with_the_address_is_advised_for_a_skipped_route() -> None:
    """A requeue is not offered: there is nothing to send to."""
    skipped = told(status=RouteStatus.SKIPPED, next_attempt_at=None)

    assert "An intent that has the address, under another idempotency key" in str(skipped.next[0])
    assert remedies(status=RouteStatus.SKIPPED, next_attempt_at=None) == []
