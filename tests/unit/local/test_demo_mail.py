"""What a demo says of its emails: each arrives once and is answered once, or the demo fails (R33)."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from publisher.domain.mailbox import Mailbox
from publisher.local.demo_mail import Mail, mail_problems, read_message
from publisher.local.maildir import Maildir, kept_messages
from publisher.mail.messages.command import MailCommand
from publisher.mail.messages.message import Letter, Message, build_message
from publisher.mail.messages.references import reference_of
from tests.factories import INSTANT

EMAILS = ("n/email:user:1", "n/email:user:2")
ONCE = dict.fromkeys(EMAILS, 1)


def test_an_email_that_arrived_and_was_answered_once_is_no_problem() -> None:
    """Of a server that is not the demo's own the answers alone are known."""
    assert mail_problems(EMAILS, Mail(ONCE, ONCE)) == []
    assert mail_problems(EMAILS, Mail(ONCE)) == []


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ({"n/email:user:1": 1}, "n/email:user:2 has 0 messages in the mailbox"),
        (ONCE | {"n/email:user:2": 2}, "n/email:user:2 has 2 messages in the mailbox"),
        (ONCE | {"n/email:user:3": 1}, "the mailbox has a message for n/email:user:3"),
        (ONCE | {None: 1}, "the mailbox has a message for no delivery"),
    ],
    ids=["lost", "twice", "of somebody else", "of nobody"],
)
def test_a_mailbox_that_was_tampered_with_is_a_problem(messages: Mapping[str | None, int], problem: str) -> None:
    """A message that was removed, copied or added by another hand makes the demo fail."""
    assert mail_problems(EMAILS, Mail(ONCE, messages)) == [problem]


@pytest.mark.parametrize(("answers", "count"), [({}, 0), ({"n/email:user:1": 2}, 2)], ids=["none", "two"])
def test_an_email_that_was_not_answered_once_is_a_problem(answers: Mapping[str, int], count: int) -> None:
    """It is named, with how often it was answered."""
    accepted = {"n/email:user:2": 1} | answers

    assert mail_problems(EMAILS, Mail(accepted, ONCE)) == [f"n/email:user:1 was answered `accepted` {count} times"]


def test_emails_that_wait_for_one_reason_are_one_problem() -> None:
    """Nobody reads the reason between a hundred ids; an email that was answered twice is named all the same."""
    twice = {"n/email:user:2": 2}

    assert mail_problems([*EMAILS, "n/email:user:3"], Mail(twice), "no mail can be sent: connection refused") == [
        "2 emails were not accepted: no mail can be sent: connection refused",
        "n/email:user:2 was answered `accepted` 2 times",
    ]


def test_a_message_is_shown_as_its_reader_sees_it(tmp_path: Path) -> None:
    """Encoded words of the header and the encoding of the text are undone."""
    sender = Mailbox("Schachclub Köln", "club", "example.com")
    command = MailCommand("n/email:user:1", "ann@example.com", "turn", "de", {}, (), INSTANT)
    message = build_message(
        command, Letter("Zug für dich ♞", "Schöne Grüße,\nÄnne"), sender, reference_of(command.delivery_id, b"key")
    )
    assert isinstance(message, Message)
    Maildir(tmp_path).keep(message.data, message.sender, [message.recipient])

    [kept] = kept_messages(tmp_path)
    shown = read_message(kept.path)

    assert shown.header["From"] == "Schachclub Köln <club@example.com>"
    assert shown.header["Subject"] == "Zug für dich ♞"
    assert list(shown.header) == ["From", "To", "Subject", "Date"]
    assert shown.text == "Schöne Grüße,\nÄnne\n"
