"""What is said of answers, and of what the mail service does next (R32, R33)."""

from datetime import timedelta
from typing import Any

import pytest

from publisher.domain.delivery_event import EventKind, Fault, Permanence
from publisher.domain.mail_outcome import MailState
from publisher.operations.explain.answers import event_words
from publisher.operations.explain.explain import explain
from publisher.operations.explain.explanation import Explanation
from publisher.operations.remedy.wording import worded
from storage.answers.event_history import EventRecord
from storage.mail.progress import MailProgress
from tests.factories import route_record
from tests.unit.operations.explain.test_explain import MINUTE, NOW, OPEN, SECOND, STREAM, told
from tests.unit.operations.explain.test_explain_final import PUBLISHED

NEVER_AGAIN = "The mail service does not send again what counts as sent, whatever is published again."
IN_HAND = "In the hands of the mail service since 2026-03-14 09:26:23.589Z (30 s ago)"
AGO = "2026-03-14 09:25:53.589Z (1 min ago)"


def event(**fields: Any) -> EventRecord:
    whole: dict[str, Any] = dict.fromkeys(EventRecord.__dataclass_fields__)
    return EventRecord(**whole | {"event": EventKind.ACCEPTED, "occurred_at": NOW, "source": "mailer"} | fields)


def with_mail(state: str, **fields: Any) -> Explanation:
    """What is explained of a published route of which the mail service has this on record."""
    whole: dict[str, Any] = dict.fromkeys(MailProgress.__dataclass_fields__)
    mail = MailProgress(
        **whole | {"state": MailState(state), "tries": 0, "unsure": 0, "begun_at": NOW - MINUTE / 2} | fields
    )
    return explain(route_record(**PUBLISHED), OPEN, STREAM, mail=mail)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "mailer: accepted"),
        ({"diagnostic": "queued as 7"}, "mailer: accepted: queued as 7"),
        (
            {
                "event": EventKind.BOUNCED,
                "source": "ses",
                "permanence": Permanence.PERMANENT,
                "fault": Fault.RECIPIENT,
                "code": "550",
                "enhanced_code": "5.1.1",
                "diagnostic": "no such user",
            },
            "ses: bounced (permanent, recipient at fault, 550 5.1.1): no such user",
        ),
    ],
)
def test_an_event_is_one_line(said: dict[str, Any], words: str) -> None:
    """Who says what, why, and in whose words; nothing is said of what is not known."""
    assert event_words(event(**said)) == words


def test_a_published_route_says_what_was_answered() -> None:
    """The answer and its instant, and a complaint (R32)."""
    explained = told(**PUBLISHED, answer=EventKind.BOUNCED, answered_at=NOW - MINUTE, complained=True)

    assert explained.why[-2:] == (f"Answered {AGO}: bounced.", "The recipient complained of it.")


@pytest.mark.parametrize(
    ("mail", "sentence"),
    [
        (
            ("waiting", {"tries": 3, "next_attempt_at": NOW + MINUTE}),
            f"{IN_HAND}: 3 attempts failed so far. It tries again in 1 min (2026-03-14 09:27:53.589Z).",
        ),
        (
            ("waiting", {"tries": 1, "next_attempt_at": NOW - SECOND}),
            f"{IN_HAND}: 1 attempt failed so far. It tries again at once.",
        ),
        (
            ("held", {"held_at": NOW - MINUTE}),
            (
                f"Held by the mail service since {AGO}: it may have been accepted. To have it sent again:"
                f" publisher mailer held send {route_record().delivery_id}"
            ),
        ),
        (
            ("begun", {"lease_expires_at": NOW + MINUTE}),
            (
                f"{IN_HAND}: no attempt failed before. A mailer is at work on it. If that dies, another takes it up in"
                " 1 min (2026-03-14 09:27:53.589Z)."
            ),
        ),
        (
            ("begun", {"lease_expires_at": NOW - MINUTE}),
            (
                f"{IN_HAND}: no attempt failed before. The mailer that was at work on it has not told its end since"
                f" {AGO}: another takes it up."
            ),
        ),
        (
            ("sent", {"ended_at": NOW - MINUTE}),
            f"It counts as sent since {AGO}. {NEVER_AGAIN}",
        ),
        (
            ("given_up", {"ended_at": NOW - MINUTE, "tries": 16}),
            f"The mail service gave it up {AGO}, after 16 failed attempts. Published again, it is tried anew.",
        ),
        (
            ("given_up", {"ended_at": NOW - MINUTE}),
            f"The mail service gave it up {AGO}. Published again, it is tried anew.",
        ),
    ],
)
def test_what_the_mail_service_does_is_what_comes_next(mail: tuple[str, dict[str, Any]], sentence: str) -> None:
    """Whatever state a delivery is in, an operator reads who acts next, and when (R33)."""
    state, fields = mail
    explained = with_mail(state, **fields)

    assert worded(explained.next[0]) == sentence
    assert explained.next_at == fields.get("next_attempt_at")
    assert len(explained.next) == (2 if state in {"given_up", "held"} else 1)


def test_of_a_held_message_it_is_said_how_it_ends_without_being_sent() -> None:
    """An operator who has looked into the server's log pastes one of two commands (R33)."""
    explained = with_mail("held", held_at=NOW)

    assert worded(explained.next[-1]) == (
        f"If you know that it was accepted: publisher mailer held settle {route_record().delivery_id} --as accepted"
    )


def test_a_first_attempt_that_lasts_long_points_at_the_smtp_server_and_the_rate() -> None:
    """While either makes it wait no attempt fails, so nothing else would say it; a later one has a reason on record."""
    lease = {"begun_at": NOW - MINUTE, "lease_expires_at": NOW + MINUTE}

    [said] = with_mail("begun", **lease).next[1:]
    assert worded(said) == (
        "That is long: the SMTP server may be slow, away, or refuse the login, or PUBLISHER_MAIL_RATE be low:"
        " publisher mailer check"
    )
    assert len(with_mail("begun", **lease, tries=1).next) == 1


@pytest.mark.parametrize(("state", "ends"), [("sent", "more than once."), ("held", "already.")])
def test_a_lost_reply_is_told(state: str, ends: str) -> None:
    """The one window in which a message may go out twice is named where it opened (R33)."""
    ended = {"held_at": NOW} if state == "held" else {"ended_at": NOW - timedelta(hours=1)}

    said = with_mail(state, unsure=2, **ended).next[1]

    assert said == f"Whether it was accepted remained unknown 2 times: the recipient may have it {ends}"
