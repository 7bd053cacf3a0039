"""Words who reads the commands of each channel. The terminal and the page show the same (R27)."""

from collections.abc import Iterator
from datetime import timedelta

from publisher.domain.errors import PublisherError
from publisher.operations.channels.readers import CommandReaders
from publisher.operations.wording import coarse, names, one_line
from publisher.streams.groups import Group

# Characters of a name that a table has room for: strangers choose it.
_NAME = 40


def reader_lines(readers: CommandReaders) -> Iterator[tuple[str, bool]]:
    """Yields a line for each group of the channel's stream, and whether something is wrong with it."""
    if isinstance(readers.found, PublisherError):
        yield problem(readers), True
        return
    for group in readers.groups:
        yield f"{readers.name}: {_group(group)}", bool(group.reads_nothing or group.gone)
    for group, streams in readers.leaving_partitions:
        yield f"{readers.name}: {named(group.name)} reads nothing of {names(streams)}", True
    if readers.found.more:
        yield f"{readers.name}: and {readers.found.more:,} more groups", False
    if not readers.groups:
        count = readers.found.length
        stands = f", {count:,} command{'s stand' if count > 1 else ' stands'} there" if count else ""
        yield f"{readers.name}: no group reads {named(readers.stream)}{stands}", False


def partition_lines(readers: CommandReaders) -> Iterator[tuple[str, bool]]:
    """Yields a line for each group of each partition, as `reader_lines`; none without partitions."""
    for stream, found in readers.partitions.items():
        if isinstance(found, PublisherError):
            yield one_line(f"{stream}: could not be read: {found}"), True
            continue
        if not found.groups:
            yield f"{stream}: no group, {found.length:,} commands", False
        for group in found.groups:
            yield f"{stream}: {_group(group)}", bool(group.reads_nothing or group.gone)


def named(name: str) -> str:
    """Returns a name that a stranger chose as one printable line of at most 40 characters."""
    text = one_line(name)
    return text if len(text) <= _NAME else f"{text[: _NAME - 1]}…"


def unread_of(group: Group) -> str:
    """Words how many entries are unread: `4,012`, or `≥ 10,000` if there may be more."""
    return f"≥ {group.unread:,}" if group.is_bound else f"{group.unread:,}"


def _group(group: Group) -> str:
    unread = _lasting(f"{unread_of(group)} unread", group.oldest_unread)
    pending = _lasting(f"{group.pending:,} pending", group.oldest_pending)
    gone = f" ({len(group.gone):,} gone)" if group.gone else ""
    count = f"{group.consumer_count:,}" if group.consumer_count else "no"
    consumers = f"{count} consumer{'s' if group.consumer_count > 1 else ''}{gone}"
    return f"{named(group.name)}: {unread}, {pending}, {consumers}, last read {last_read(group)}"


def last_read(group: Group) -> str:
    """Words when a consumer of the group last asked for entries."""
    if group.consumers is None:
        return "unknown"
    return "never" if group.last_read is None else ago(group.last_read)


def with_age(count: str, age: timedelta | None) -> str:
    """Words a count and the age of the oldest: `4,012, 3m 20s`."""
    return count if age is None else f"{count}, {coarse(age)}"


def _lasting(count: str, age: timedelta | None) -> str:
    return count if age is None else f"{count} for {coarse(age)}"


def ago(duration: timedelta) -> str:
    """Words how long ago something was."""
    return f"{coarse(duration)} ago"


def problem(readers: CommandReaders) -> str:
    """Words that Redis refused to show who reads the stream."""
    return one_line(f"{readers.name}: who reads {named(readers.stream)} could not be read: {readers.found}")
