"""Who reads a stream, how far and since when, as values: its consumer groups and their consumers (R27)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

# A consumer that asks for nothing for so long is taken for gone. Most ask every few seconds; one that works on an entry
# for long, or that waits without an end, asks seldom.
SILENT = timedelta(minutes=5)
# Characters of a name, which strangers choose.
_NAME = 100


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer of a group.

    pending: entries that it has read and not acknowledged.
    idle: time since it last asked for entries; before Redis 7.2, since it last got one.
    """

    name: str
    pending: int
    idle: timedelta

    @property
    def is_gone(self) -> bool:
        """True if it holds entries and has long asked for none: it is dead, or stuck."""
        return self.pending > 0 and self.idle > SILENT


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group of a stream. Ages are by the clock of Redis, from when the entry was added.

    unread: entries that no consumer has read.
    is_bound: whether there may be more unread entries than that.
    pending: entries that were read and not acknowledged.
    oldest_unread, oldest_pending: the age of the first such entry, or None if there is none.
    consumer_count: how many consumers the group has. Before Redis 7.2 a consumer is there once it got an entry.
    consumers: None if they were not read: there are too many, or Redis refused.
    """

    name: str = ""
    unread: int = 0
    is_bound: bool = False
    pending: int = 0
    oldest_unread: timedelta | None = None
    oldest_pending: timedelta | None = None
    consumer_count: int = 0
    consumers: Sequence[Consumer] | None = ()

    @property
    def oldest(self) -> timedelta | None:
        """The age of the first entry that is not acknowledged, or None if there is none."""
        return max((age for age in (self.oldest_unread, self.oldest_pending) if age is not None), default=None)

    @property
    def last_read(self) -> timedelta | None:
        """The time since any consumer asked for entries. None: none ever did, or the consumers were not read."""
        return min((consumer.idle for consumer in self.consumers or ()), default=None)

    @property
    def gone(self) -> Sequence[Consumer]:
        """The consumers that hold entries and are taken for gone."""
        return [consumer for consumer in self.consumers or () if consumer.is_gone]

    @property
    def reads_nothing(self) -> bool:
        """True if an entry has waited for long, and no consumer has asked for any in that time."""
        waits = self.oldest_unread is not None and self.oldest_unread > SILENT
        return waits and self.consumers is not None and (self.last_read is None or self.last_read > SILENT)


@dataclass(frozen=True, slots=True)
class StreamGroups:
    """The groups of a stream.

    length: the entries that stand on it; 0: there is no stream, or an empty one.
    oldest: the age of the first entry, or None.
    groups: by name.
    more: how many further groups there are that were not read.
    """

    length: int = 0
    oldest: timedelta | None = None
    groups: Sequence[Group] = ()
    more: int = 0

    @property
    def waiting(self) -> int:
        """The entries that the slowest group has not read, or not acknowledged; all, if no group reads the stream."""
        return max((group.unread + group.pending for group in self.groups), default=self.length)

    def group(self, name: str) -> Group | None:
        """Returns the group of this name, or None."""
        return next((group for group in self.groups if group.name == cut(name)), None)

    def state(self, name: str) -> Group:
        """Returns the group of this name. Without it every entry is unread."""
        return self.group(name) or Group(name, self.length, oldest_unread=self.oldest)


def together(parts: Sequence[StreamGroups]) -> StreamGroups:
    """Returns the groups of a stream's partitions as those of one stream.

    A group that a partition lacks has read nothing there. A consumer of one name is one consumer.
    """
    if len(parts) == 1:
        return parts[0]
    names = sorted({group.name for part in parts for group in part.groups})
    return StreamGroups(
        sum(part.length for part in parts),
        _oldest(part.oldest for part in parts),
        [_group_of_parts([part.state(name) for part in parts]) for name in names],
        max(part.more for part in parts),
    )


def _group_of_parts(states: Sequence[Group]) -> Group:
    consumers: dict[str, Consumer] | None = {}
    for state in states:
        if state.consumers is None or consumers is None:
            consumers = None
            continue
        for each in state.consumers:
            seen = consumers.get(each.name, Consumer(each.name, 0, each.idle))
            consumers[each.name] = Consumer(each.name, seen.pending + each.pending, min(seen.idle, each.idle))
    return Group(
        states[0].name,
        sum(state.unread for state in states),
        any(state.is_bound for state in states),
        sum(state.pending for state in states),
        _oldest(state.oldest_unread for state in states),
        _oldest(state.oldest_pending for state in states),
        max(state.consumer_count for state in states) if consumers is None else len(consumers),
        None if consumers is None else list(consumers.values()),
    )


def _oldest(ages: Iterable[timedelta | None]) -> timedelta | None:
    return max((age for age in ages if age is not None), default=None)


def name_of(raw: bytes) -> str:
    """Returns the name of a group or consumer as text, cut to 100 characters: strangers choose it."""
    return cut(raw.decode(errors="replace"))


def cut(name: str) -> str:
    """Cuts a name to 100 characters."""
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
