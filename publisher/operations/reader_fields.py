"""The fields of who reads a channel's commands, by the names that --json prints."""

from datetime import timedelta

from publisher.domain.errors import PublisherError
from publisher.operations.readers import CommandReaders
from publisher.streams.groups import Consumer, Group

# The first consumers that are told one by one; those that hold most come first.
_CONSUMERS = 100


def reader_fields(readers: CommandReaders) -> dict[str, object]:
    """Everything about the stream's groups. `groups` is null, and `problem` says why, if they could not be read."""
    found = readers.found
    if isinstance(found, PublisherError):
        return {
            "stream": readers.stream,
            "length": None,
            "groups": None,
            "more_groups": None,
            "problem": str(found),
        }
    return {
        "stream": readers.stream,
        "length": found.length,
        "groups": [_group(group) for group in found.groups],
        "more_groups": found.more,
        "problem": None,
    }


def _group(group: Group) -> dict[str, object]:
    consumers = sorted(group.consumers or (), key=lambda consumer: (-consumer.pending, consumer.name))
    return {
        "group": group.name,
        "unread": group.unread,
        "is_bound": group.is_bound,
        "oldest_unread_seconds": _seconds(group.oldest_unread),
        "pending": group.pending,
        "oldest_pending_seconds": _seconds(group.oldest_pending),
        "last_read_seconds": _seconds(group.last_read),
        "consumer_count": group.consumer_count,
        "consumers": None if group.consumers is None else [_consumer(each) for each in consumers[:_CONSUMERS]],
        "reads_nothing": group.reads_nothing,
    }


def _consumer(consumer: Consumer) -> dict[str, object]:
    return {
        "consumer": consumer.name,
        "pending": consumer.pending,
        "last_read_seconds": _seconds(consumer.idle),
        "is_gone": consumer.is_gone,
    }


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else round(duration.total_seconds(), 3)
