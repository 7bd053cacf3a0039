"""The fields of who reads a channel's commands, by the names that --json prints."""

from datetime import timedelta

from publisher.domain.errors import PublisherError
from publisher.operations.channels.readers import CommandReaders
from publisher.streams.groups import Consumer, Group, StreamGroups

# The first consumers that are told one by one; those that hold most come first.
_CONSUMERS = 100


def reader_fields(readers: CommandReaders) -> dict[str, object]:
    """Everything about the stream's groups. `groups` is null, and `problem` says why, if they could not be read.

    `partitions` has the same of each partition, without consumers; it is empty if the channel has one stream.
    """
    parts = [_stream(stream, found, consumers=False) for stream, found in readers.partitions.items()]
    return _stream(readers.stream, readers.found, consumers=True) | {"partitions": parts}


def _stream(stream: str, found: StreamGroups | PublisherError, *, consumers: bool) -> dict[str, object]:
    if isinstance(found, PublisherError):
        return {
            "stream": stream,
            "length": None,
            "groups": None,
            "more_groups": None,
            "problem": str(found),
        }
    return {
        "stream": stream,
        "length": found.length,
        "groups": [_group(group) | (_consumers(group) if consumers else {}) for group in found.groups],
        "more_groups": found.more,
        "problem": None,
    }


def _group(group: Group) -> dict[str, object]:
    return {
        "group": group.name,
        "unread": group.unread,
        "is_bound": group.is_bound,
        "oldest_unread_seconds": _seconds(group.oldest_unread),
        "pending": group.pending,
        "oldest_pending_seconds": _seconds(group.oldest_pending),
        "last_read_seconds": _seconds(group.last_read),
        "consumer_count": group.consumer_count,
        "reads_nothing": group.reads_nothing,
    }


def _consumers(group: Group) -> dict[str, object]:
    consumers = sorted(group.consumers or (), key=lambda consumer: (-consumer.pending, consumer.name))
    return {"consumers": None if group.consumers is None else [_consumer(each) for each in consumers[:_CONSUMERS]]}


def _consumer(consumer: Consumer) -> dict[str, object]:
    return {
        "consumer": consumer.name,
        "pending": consumer.pending,
        "last_read_seconds": _seconds(consumer.idle),
        "is_gone": consumer.is_gone,
    }


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else round(duration.total_seconds(), 3)
