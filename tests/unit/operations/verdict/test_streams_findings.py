"""What is wrong in Redis: each cause by itself."""

from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.channels.push import PUSH
from publisher.domain.channel import StreamTrim
from publisher.domain.errors import RedisRefused
from publisher.domain.trouble import Trouble
from publisher.operations.channels.readers import CommandReaders
from publisher.operations.snapshot.snapshot import StreamsSnapshot
from publisher.operations.verdict.verdict import Cause, Finding
from publisher.streams.given_up import GivenUp
from publisher.streams.groups import Consumer, Group, StreamGroups
from tests.factories import INSTANT
from tests.unit.operations.verdict.snapshots import (
    BEHIND,
    FAILED,
    HOUR,
    MINUTE,
    OK,
    RUNNING,
    SECOND,
    STREAMS,
    WARNING,
    findings,
    parked,
    seen,
    without,
)

DAY = timedelta(days=1)
AT_WORK = Consumer("alive", 5, SECOND)


def with_mailers(*errors: str | None) -> StreamsSnapshot:
    """A mailer for each of these troubles, which began a minute ago, a second more with each; None: it has none."""
    mailers = [
        replace(
            each := seen("mailer"),
            process=replace(
                each.process, trouble=None if error is None else Trouble(error, INSTANT - MINUTE - (n - 1) * SECOND)
            ),
        )
        for n, error in enumerate(errors)
    ]
    return replace(STREAMS, processes=[*RUNNING, *mailers])


def group(unread: int, pending: int = 0, oldest: timedelta = SECOND) -> StreamsSnapshot:
    return replace(STREAMS, intents=Group("g", unread, pending=pending, oldest_unread=oldest, consumer_count=1))


def read(*groups: Group, length: int = 0, trims: bool = True, **refused: RedisRefused) -> StreamsSnapshot:
    """Commands of push, on a stream with these groups."""
    found = refused.get("refused", StreamGroups(length, None, groups))
    channel = replace(PUSH, stream="gateway", stream_trim=StreamTrim.ACKNOWLEDGED if trims else StreamTrim.LENGTH)
    return replace(STREAMS, readers={"push": CommandReaders(channel, found)})


@pytest.mark.parametrize(
    ("streams", "finding"),
    [
        # Processes.
        (without("clock"), Finding(WARNING, Cause.NO_CLOCK)),
        (without("intake"), Finding(WARNING, Cause.NO_INTAKE)),
        (
            replace(without("intake"), intents=Group("g", 12, pending=3, oldest_pending=MINUTE)),
            Finding(FAILED, Cause.NO_INTAKE, count=15, lasting=MINUTE),
        ),
        (
            replace(without("intake"), intents=Group("g", 10_000, is_bound=True)),
            Finding(FAILED, Cause.NO_INTAKE, count=10_000, is_bound=True),
        ),
        # Mailers.
        (
            with_mailers(None, "connection refused", "the login was refused"),
            Finding(WARNING, Cause.NO_MAIL, count=2, lasting=MINUTE + SECOND, detail="the login was refused"),
        ),
        # Intents.
        (group(12, 3), Finding(OK, Cause.ALL_WELL)),
        (
            group(12, 3, HOUR),
            Finding(WARNING, Cause.INTENTS_LATE, count=15, lasting=HOUR),
        ),
        (group(0, 3, -HOUR), Finding(OK, Cause.ALL_WELL)),
        # Who reads the commands.
        (read(Group("mail", 9, oldest_unread=HOUR, consumers=[AT_WORK])), Finding(OK, Cause.ALL_WELL)),
        (read(Group("mail", 9, oldest_unread=MINUTE)), Finding(OK, Cause.ALL_WELL)),
        (read(Group("mail", 9, oldest_unread=HOUR, consumers=None)), Finding(OK, Cause.ALL_WELL)),
        (read(refused=RedisRefused("WRONGTYPE")), Finding(OK, Cause.ALL_WELL)),
        (
            read(
                Group("mail", 9, True, oldest_unread=HOUR, consumers=[Consumer("one", 0, HOUR)]),
                Group("audit", 3, oldest_unread=MINUTE * 30),
                Group("well", consumers=[AT_WORK]),
            ),
            Finding(WARNING, Cause.NOT_READ, "push", 9, True, HOUR, detail="groups mail, audit read nothing"),
        ),
        (read(length=49_999), Finding(OK, Cause.ALL_WELL)),
        (read(length=200_000, trims=False), Finding(OK, Cause.ALL_WELL)),
        (
            read(length=50_000),
            Finding(
                *(WARNING, Cause.NOT_READ, "push", 50_000),
                detail="no group reads gateway, and at 100,000 the channel waits",
            ),
        ),
        (
            read(Group("mail", pending=7, consumers=[Consumer("dead", 4, HOUR), Consumer("too", 3, DAY), AT_WORK])),
            Finding(WARNING, Cause.READER_GONE, "push", 7, lasting=HOUR, detail="dead, too"),
        ),
        # Streams that were given up.
        (replace(STREAMS, given_up=None), Finding(OK, Cause.ALL_WELL)),
        (
            replace(STREAMS, given_up=[GivenUp("mail:{5}", 2), GivenUp("old @ redis://own/0", 1_000)]),
            Finding(
                *(WARNING, Cause.GIVEN_UP, None, 1_002),
                detail="mail:{5} on the Redis of REDIS_URL (2), old @ redis://own/0 (1,000)",
            ),
        ),
    ],
)
def test_each_cause_is_told_by_itself(streams: StreamsSnapshot, finding: Finding) -> None:
    """With one thing wrong there is one finding: its cause, how many, and since when."""
    assert list(findings(streams=streams)) == [finding]


def test_readers_that_hold_a_channel_back_are_told_of_once() -> None:
    """The channel is parked because of them, and says so: that they read nothing is no second finding."""
    streams = read(Group("mail", 100_000, oldest_unread=HOUR))

    assert [finding.cause for finding in findings(parked(BEHIND), streams)] == [Cause.HELD_BACK]
