"""Words who reads the commands of each channel: as a table, as lines for `status --watch`, and consumer by consumer."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace

from publisher.cli.terminal.output import one_line, print_table, say
from publisher.domain.errors import PublisherError
from publisher.operations.channels.readers import CommandReaders
from publisher.operations.channels.readers_wording import ago, last_read, named, problem, unread_of, with_age

# Consumers that are told one by one, those that hold most first.
_CONSUMERS = 20
_PARTITIONS = ("channel", "partition", "group", "unread, oldest", "pending, oldest", "last read")
_TABLE = ("channel", "group", "unread, oldest", "pending, oldest", "consumers", "last read")


def print_readers(channels: Iterable[CommandReaders]) -> None:
    """Prints a row for each group of each channel's stream, and a line for each stream that could not be read."""
    known = list(channels)
    rows = [row for readers in known for row in _rows(readers)]
    print_table("Who reads the commands", _TABLE, rows, numeric=_TABLE[2:])
    for readers in known:
        if isinstance(readers.found, PublisherError):
            say(problem(readers))


def print_partitions(channels: Iterable[CommandReaders]) -> None:
    """Prints a row for each group of each partition, also while others cannot be read; nothing without partitions."""
    rows = [
        [readers.name, f"{{{number}}}", *row[1:4], row[5]]
        for readers in channels
        for number, found in enumerate(readers.partitions.values())
        for row in _rows(replace(readers, found=found))
    ]
    if rows:
        print()
        print_table("Who reads each partition", _PARTITIONS, rows, numeric=_PARTITIONS[3:])


def print_consumers(channels: Iterable[CommandReaders]) -> None:
    """Prints at most 20 consumers of all groups, those that hold the most commands first; nothing if there is none."""
    found = [
        (readers.name, group, consumer)
        for readers in channels
        for group in readers.groups
        for consumer in group.consumers or ()
    ]
    if not found:
        return
    found.sort(key=lambda each: -each[2].pending)
    print()
    print_table(
        "Consumers",
        ["channel", "group", "consumer", "pending", "last read"],
        [
            [channel, named(group.name), named(each.name), each.pending, ago(each.idle) + (", gone" * each.is_gone)]
            for channel, group, each in found[:_CONSUMERS]
        ],
        numeric=["last read"],
    )
    if len(found) > _CONSUMERS:
        print(f"and {len(found) - _CONSUMERS:,} more: --json")


def say_unread(error: Exception) -> None:
    """Says on standard error that Redis could not be asked who reads."""
    say(f"publisher: who reads the commands could not be asked: {one_line(str(error))}", sys.stderr)


def _rows(readers: CommandReaders) -> Iterator[list[object]]:
    if isinstance(readers.found, PublisherError):
        yield [readers.name, "not read", *[None] * 4]
        return
    for group in readers.groups:
        gone = f", {len(group.gone):,} gone" if group.gone else ""
        yield [
            readers.name,
            named(group.name),
            with_age(unread_of(group), group.oldest_unread),
            with_age(f"{group.pending:,}", group.oldest_pending),
            f"{group.consumer_count:,}{gone}",
            last_read(group),
        ]
    if readers.found.more:
        yield [readers.name, f"and {readers.found.more:,} more", *[None] * 4]
    if not readers.groups:
        unread = with_age(f"{readers.found.length:,}", readers.found.oldest)
        yield [readers.name, "none", unread, *[None] * 3]
