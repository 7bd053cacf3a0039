"""Who reads each partition of a channel: a group that leaves one of them is told, whatever else it reads (R27, R37)."""

from dataclasses import replace
from datetime import timedelta

from publisher.channels.push import PUSH
from publisher.doctor.checks import commands, given_up
from publisher.operations.channels.readers import CommandReaders
from publisher.operations.channels.readers_wording import partition_lines
from publisher.operations.verdict.streams_findings import streams_findings
from publisher.operations.verdict.verdict import Cause
from publisher.streams.given_up import GivenUp
from publisher.streams.groups import Consumer, Group, StreamGroups, together
from tests.unit.operations.verdict.snapshots import STREAMS

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
STREAM = PUSH.stream
READ = Group("gateway", pending=2, oldest_pending=HOUR, consumer_count=1, consumers=[Consumer("dead", 2, HOUR)])


def read(*parts: StreamGroups) -> CommandReaders:
    """A channel of so many partitions."""
    named = {f"{STREAM}:{{{number}}}": part for number, part in enumerate(parts)}
    return CommandReaders(replace(PUSH, partitions=len(parts)), together(parts), named)


def test_a_group_that_leaves_a_partition_is_told() -> None:
    """Its consumers read the partitions of before alone, and nothing of the one that came with a higher number."""
    reading = StreamGroups(3, SECOND, [Group("gateway", consumer_count=1, consumers=[Consumer("one", 0, SECOND)])])

    left = read(reading, StreamGroups(9, HOUR))
    found = commands.groups([left])
    [told] = streams_findings(replace(STREAMS, readers={"push": left}), ())

    assert (told.cause, told.count, told.detail) == (
        Cause.NOT_READ,
        9,
        f"group gateway reads nothing of {STREAM}:{{1}}",
    )
    assert found.finding == (
        f"push: group gateway reads nothing of {STREAM}:{{1}}: 9 unread, the first for 1 h, and no consumer ever asked"
    )
    assert found.remedy == "have its consumers read every partition (publisher guide consumers)"
    assert commands.groups([read(reading, reading)]).finding == "push: gateway has 0 unread"


def test_each_partition_has_its_lines() -> None:
    """What is unread and pending there, and since when."""
    lines = list(partition_lines(read(StreamGroups(2, HOUR, [READ]), StreamGroups(9, HOUR))))

    assert lines == [
        (f"{STREAM}:{{0}}: gateway: 0 unread, 2 pending for 1h, 1 consumer (1 gone), last read 1h ago", True),
        (f"{STREAM}:{{1}}: no group, 9 commands", False),
    ]


def test_a_command_to_paste_names_a_partition() -> None:
    """Redis knows no stream of the name that all of them have together; one that holds nothing is left out."""
    found = commands.pending([read(StreamGroups(2, HOUR, [READ]), StreamGroups(0, None, [Group("gateway")]))])

    assert found.remedy == (
        f"have a living consumer take them over: XAUTOCLAIM '{STREAM}:{{0}}' gateway CONSUMER 300000 0"
    )


def test_a_stream_that_was_given_up_says_its_redis() -> None:
    """A channel that has moved has a stream of the same name elsewhere, which is the one that is read."""
    found = given_up.given_up([GivenUp(STREAM, 4), GivenUp(f"{STREAM} @ redis://own/0", 5)], [], sees_all=True)

    assert f"{STREAM} on the Redis of REDIS_URL (4), {STREAM} @ redis://own/0 (5)" in found.finding
