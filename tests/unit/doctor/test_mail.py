"""Verdicts of `publisher doctor` on whether somebody sends the mail (R33)."""

from datetime import timedelta

import pytest

from publisher.channels.email import EMAIL
from publisher.doctor.checks.mail import mail
from publisher.doctor.verdict import Verdict, ok
from publisher.domain.errors import RedisRefused
from publisher.operations.channels.readers import CommandReaders
from publisher.streams.groups import Consumer, Group, StreamGroups

SERVER, OWN = "smtps://mail.example.com:465", "mail-service"
NOBODY = CommandReaders(EMAIL, StreamGroups())


def read_by(group: Group) -> CommandReaders:
    """The email channel's stream with this group."""
    return CommandReaders(EMAIL, StreamGroups(groups=[group]))


def asked(ago: timedelta) -> Group:
    """A group whose consumer asked for commands so long ago."""
    return Group("theirs", consumer_count=1, consumers=[Consumer("one", 0, ago)])


def test_without_an_smtp_server_another_mail_service_is_to_read() -> None:
    """Nothing is amiss, whether or not that one has begun."""
    assert mail(None, OWN, NOBODY, 0) == ok(
        "PUBLISHER_SMTP_URL is not set: another mail service is to read mail:delivery_commands"
    )


def test_a_living_mailer_sends() -> None:
    """It may make its group only now."""
    assert mail(SERVER, OWN, NOBODY, 1) == ok(
        "this deployment sends to smtps://mail.example.com:465: 1 mailer is alive, in group mail-service"
    )
    assert "2 mailers are alive" in mail(SERVER, OWN, NOBODY, 2).finding


@pytest.mark.parametrize("group", [asked(timedelta(seconds=1)), Group("theirs", consumer_count=900, consumers=None)])
def test_another_reader_is_well(group: Group) -> None:
    """It may be seen to read, or have too many consumers to look at."""
    found = mail(SERVER, OWN, read_by(group), 0)

    assert found == ok("no mailer is alive; mail:delivery_commands is read by theirs")


@pytest.mark.parametrize("readers", [NOBODY, read_by(Group(OWN)), read_by(asked(timedelta(hours=1)))])
def test_mail_that_nobody_sends_is_a_warning(readers: CommandReaders) -> None:
    """A server is set, and neither a mailer nor a group reads: a group alone does not."""
    found = mail(SERVER, OWN, readers, 0)

    assert found.verdict is Verdict.WARNING
    assert found.finding == (
        "PUBLISHER_SMTP_URL is set, no mailer is alive, and no group has read mail:delivery_commands for 5 min"
    )
    assert found.remedy.startswith("start the process 'publisher mailer run'")


def test_readers_that_cannot_be_seen_are_unknown() -> None:
    """Redis lets nobody look at the groups, and another mail service may read."""
    found = mail(SERVER, OWN, CommandReaders(EMAIL, RedisRefused("NOPERM")), 0)

    assert (found.verdict, found.finding.endswith("could not be read: NOPERM")) == (Verdict.UNKNOWN, True)
