"""Verdicts of `publisher doctor` on who reads the commands (R27)."""

from dataclasses import replace
from datetime import timedelta

from publisher.channels.email import EMAIL
from publisher.channels.push import PUSH
from publisher.doctor.checks import commands
from publisher.doctor.verdict import Verdict, ok
from publisher.domain.channel import Channel, StreamTrim
from publisher.domain.errors import RedisRefused
from publisher.operations.channels.readers import CommandReaders
from publisher.streams.groups import Consumer, Group, StreamGroups

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


def reads(*groups: Group, length: int = 0, channel: Channel = PUSH) -> CommandReaders:
    """A stream of so many commands with these groups."""
    return CommandReaders(channel, StreamGroups(length, None, groups))


def consumer(name: str, pending: int = 0, idle: timedelta = SECOND) -> Consumer:
    return Consumer(name, pending, idle)


def test_groups_that_read_are_well() -> None:
    """Each is named with what it has not read; a stream without commands needs no group yet."""
    mail = Group("mail", 12_000, oldest_unread=HOUR, consumers=[consumer("one")])

    found = commands.groups([reads(mail, Group("audit"), channel=EMAIL), reads()])

    assert found == ok("email: mail has 12,000 unread, audit has 0 unread; push: no group")


def test_commands_that_no_group_reads_are_a_warning() -> None:
    """At its ceiling the channel would wait; for readers without a group there is a setting."""
    found = commands.groups([reads(length=7_000)])

    assert (found.verdict, found.finding) == (
        Verdict.WARNING,
        "push: 7,000 commands on gateway:client_events, and no group reads them: at 100,000 the channel waits",
    )
    assert found.remedy.endswith("set PUBLISHER_PUSH_STREAM_TRIM=length")
    unbounded = commands.groups([reads(length=7_000, channel=replace(PUSH, stream_ceiling=0))])
    assert unbounded.finding == "push: 7,000 commands on gateway:client_events, and no group reads them"
    trimmed = replace(PUSH, stream_trim=StreamTrim.LENGTH)
    assert commands.groups([reads(length=7_000, channel=trimmed)]).verdict is Verdict.OK


def test_a_group_that_reads_nothing_is_a_warning() -> None:
    """Its consumers ask for nothing, or there is none; the group may be one that nobody uses any more."""
    silent = Group("mail x", 9, oldest_unread=2 * HOUR, consumers=[consumer("one", idle=HOUR)])
    never = Group("audit", 10_000, is_bound=True, oldest_unread=HOUR)

    found = commands.groups([reads(silent, never)])

    assert found.verdict is Verdict.WARNING
    assert found.finding == (
        "push: group mail x reads nothing: 9 unread, the first for 2 h, and none asked for 1 h;"
        " push: group audit reads nothing: at least 10,000 unread, the first for 1 h, and no consumer ever asked"
    )
    # A stranger's name is pasted as one word.
    assert "XGROUP DESTROY gateway:client_events 'mail x'" in found.remedy


def test_a_group_whose_consumers_are_not_known_is_not_judged() -> None:
    """Redis did not list them: nobody can tell whether they ask."""
    found = commands.groups([reads(Group("mail", 9, oldest_unread=HOUR, consumers=None))])

    assert found.verdict is Verdict.OK


def test_a_stream_that_cannot_be_read_hides_no_other() -> None:
    """What could not be seen is unknown, and the other channel is judged (R35)."""
    refused = CommandReaders(EMAIL, RedisRefused("Redis refused: WRONGTYPE"))

    found = commands.groups([refused, reads(length=3)])

    assert found.verdict is Verdict.WARNING
    assert "email: mail:delivery_commands could not be read: Redis refused: WRONGTYPE" in found.finding
    assert commands.groups([refused]).verdict is Verdict.UNKNOWN
    assert commands.pending([refused]).verdict is Verdict.UNKNOWN


def test_commands_of_a_dead_consumer_are_a_warning_that_names_it() -> None:
    """Nobody has taken over what it had read."""
    held = [consumer("dead", 7, HOUR), consumer("idle", 0, HOUR), consumer("alive", 2)]

    found = commands.pending([reads(Group("mail", pending=9, consumers=held)), reads(Group("audit", pending=1))])

    assert found.verdict is Verdict.WARNING
    assert found.finding == "push: group mail: 7 held by consumers silent for 1 h or longer: dead"
    assert "XAUTOCLAIM gateway:client_events mail CONSUMER 300000 0" in found.remedy
    alive = reads(Group("mail", pending=2, consumers=[consumer("alive", 2)]))
    assert commands.pending([alive]) == ok("2 pending, none with a consumer that is gone")
