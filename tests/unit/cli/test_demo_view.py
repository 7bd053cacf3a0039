"""The last lines of `publisher demo`, as a newcomer sees them and README shows them."""

import re
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from publisher.cli.demo.run import DemoResult
from publisher.cli.demo.view import show
from publisher.domain.mailbox import parse_mailbox
from publisher.local.demo_mail import Mail, read_message
from publisher.local.mail_environ import SENDER, TEMPLATES
from publisher.local.maildir import Maildir, kept_messages
from publisher.mail.messages.command import MailCommand
from publisher.mail.messages.message import Letter, Message, build_message
from publisher.mail.messages.references import reference_of
from publisher.mail.templates.templates import Templates
from tests.guide_blocks import ROOT

TYPE, VARIABLES = "demo.turn.ready", {"game": "chess", "turn": 1}


def result(mail: Mail | None, *problems: str) -> DemoResult:
    """A demo that ended like this."""
    return DemoResult({"intents": 1}, Counter(), "1 intent was sent.", {}, mail, problems)


def test_readme_shows_what_a_demo_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message of the first email, out of the very templates, between the counts and the verdict (R33)."""
    [block] = re.findall(r"<!-- the end of the demo -->\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    [date] = re.findall(r"^  Date: (.*)$", block, re.MULTILINE)
    letter, sender = Templates(TEMPLATES).letter(TYPE, "en", VARIABLES, "n/email:user:0"), parse_mailbox(SENDER)
    assert isinstance(letter, Letter)
    assert sender is not None
    asked_at = datetime.strptime(date, "%a, %d %b %Y %H:%M:%S %z")
    command = MailCommand("n/email:user:0", "user-0@example.com", TYPE, "en", VARIABLES, (), asked_at)
    message = build_message(command, letter, sender, reference_of(command.delivery_id, b"key"))
    assert isinstance(message, Message)
    Maildir(tmp_path).keep(message.data, message.sender, [message.recipient])
    [kept] = kept_messages(tmp_path)
    emails = {f"n/email:user:{number}": 1 for number in range(1560)}

    show(result(Mail(emails, emails, read_message(kept.path))))

    assert capsys.readouterr().out.endswith(f"\n\n{block}")


def test_mail_that_went_to_another_server_is_not_said_to_have_arrived(capsys: pytest.CaptureFixture[str]) -> None:
    """What that server did with it is not seen from here."""
    show(result(Mail({"n/email:user:0": 1})))

    shown = capsys.readouterr().out
    assert "mailbox" not in shown
    assert shown.endswith("\nevery published email was accepted by the SMTP server exactly once\n")


def test_nothing_is_said_of_mail_that_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """No mail service took part."""
    show(result(None))

    assert "mail" not in capsys.readouterr().out


def test_a_demo_with_problems_says_those_and_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    """A verdict stands below the routes only where nothing is amiss."""
    show(result(Mail({}, {}), "n/email:user:0 has 0 messages in the mailbox"))

    shown = capsys.readouterr().out
    assert shown.endswith("\n\nn/email:user:0 has 0 messages in the mailbox\n")
    assert "exactly once" not in shown
