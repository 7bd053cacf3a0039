"""Words who reads the commands of each channel: as a table, as lines for `status --watch`, and consumer by consumer."""

import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta

from publisher.cli.output import one_line, print_table, say
from publisher.domain.errors import RedisRefused
from publisher.operations.readers import CommandReaders
from publisher.operations.wording import coarse
from publisher.streams.groups import Group

# Characters of a name that a table has room for: strangers choose it.
_NAME = 40
# Consumers that are told one by one, those that hold most first.
_CONSUMERS = 20
_TABLE = ("channel", "group", "unread, oldest", "pending, oldest", "consumers", "last read")


def print_readers(channels: Iterable[CommandReaders]) -> None:
    """Prints a row for each group of each channel's stream, and a line for each stream that could not be read."""
    known = list(channels)
    rows = [row for readers in known for row in _rows(readers)]
    print_table("Who reads the commands", _TABLE, rows, numeric=_TABLE[2:])
    for readers in known:
        if isinstance(readers.found, RedisRefused):
            say(_problem(readers))


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
            [channel, named(group.name), named(each.name), each.pending, _ago(each.idle) + (", gone" * each.is_gone)]
            for channel, group, each in found[:_CONSUMERS]
        ],
        numeric=["last read"],
    )
    if len(found) > _CONSUMERS:
        print(f"and {len(found) - _CONSUMERS:,} more: --json")


def say_unread(error: Exception) -> None:
    """Says on standard error that Redis could not be asked who reads."""
    say(f"publisher: who reads the commands could not be asked: {one_line(str(error))}", sys.stderr)


def reader_lines(readers: CommandReaders) -> Iterator[tuple[str, bool]]:
    """Yields a line for each group of the channel's stream, and whether something is wrong with it."""
    if isinstance(readers.found, RedisRefused):
        yield _problem(readers), True
        return
    for group in readers.groups:
        yield f"{readers.name}: {_group(group)}", bool(group.reads_nothing or group.gone)
    if readers.found.more:
        yield f"{readers.name}: and {readers.found.more:,} more groups", False
    if not readers.groups:
        count = readers.found.length
        stands = f", {count:,} command{'s stand' if count > 1 else ' stands'} there" if count else ""
        yield f"{readers.name}: no group reads {named(readers.stream)}{stands}", False


def named(name: str) -> str:
    """Returns a name that a stranger chose as one printable line of at most 40 characters."""
    text = one_line(name)
    return text if len(text) <= _NAME else f"{text[: _NAME - 1]}…"


def unread_of(group: Group) -> str:
    """Words how many entries are unread: `4,012`, or `≥ 10,000` if there may be more."""
    return f"≥ {group.unread:,}" if group.is_bound else f"{group.unread:,}"


def _rows(readers: CommandReaders) -> Iterator[list[object]]:
    if isinstance(readers.found, RedisRefused):
        yield [readers.name, "not read", *[None] * 4]
        return
    for group in readers.groups:
        gone = f", {len(group.gone):,} gone" if group.gone else ""
        yield [
            readers.name,
            named(group.name),
            _with_age(unread_of(group), group.oldest_unread),
            _with_age(f"{group.pending:,}", group.oldest_pending),
            f"{group.consumer_count:,}{gone}",
            _last_read(group),
        ]
    if readers.found.more:
        yield [readers.name, f"and {readers.found.more:,} more", *[None] * 4]
    if not readers.groups:
        unread = _with_age(f"{readers.found.length:,}", readers.found.oldest)
        yield [readers.name, "none", unread, *[None] * 3]


def _group(group: Group) -> str:
    unread = _lasting(f"{unread_of(group)} unread", group.oldest_unread)
    pending = _lasting(f"{group.pending:,} pending", group.oldest_pending)
    gone = f" ({len(group.gone):,} gone)" if group.gone else ""
    count = f"{group.consumer_count:,}" if group.consumer_count else "no"
    consumers = f"{count} consumer{'s' if group.consumer_count > 1 else ''}{gone}"
    return f"{named(group.name)}: {unread}, {pending}, {consumers}, last read {_last_read(group)}"


def _last_read(group: Group) -> str:
    if group.consumers is None:
        return "unknown"
    return "never" if group.last_read is None else _ago(group.last_read)


def _with_age(count: str, age: timedelta | None) -> str:
    return count if age is None else f"{count}, {coarse(age)}"


def _lasting(count: str, age: timedelta | None) -> str:
    return count if age is None else f"{count} for {coarse(age)}"


def _ago(duration: timedelta) -> str:
    return f"{coarse(duration)} ago"


def _problem(readers: CommandReaders) -> str:
    return one_line(f"{readers.name}: who reads {named(readers.stream)} could not be read: {readers.found}")
