"""Whether streams that were given up are read to their end: by another number of partitions, or for another Redis."""

from collections.abc import Mapping

from publisher.doctor.verdict import Diagnosis, together, warning
from publisher.domain.errors import PublisherError
from publisher.domain.stream_address import read_address
from publisher.operations.wording import names
from publisher.streams.groups import StreamGroups


def given_up(found: Mapping[str, StreamGroups | PublisherError]) -> Diagnosis:
    """Entries that nobody has read, or is done with, on streams that no process of these settings reads any more.

    found: by address. What could not be read is left out: exact rights leave these streams out as well.
    """
    left = {address: _left(groups) for address, groups in found.items() if isinstance(groups, StreamGroups)}
    waiting = [f"{_place(address)} ({count:,})" for address, count in left.items() if count]
    if not waiting:
        return together([], "nothing waits on a stream that was given up")
    return warning(
        f"entries wait on streams that were given up: {names(waiting)}",
        "run their readers (intake, mailer, or your own) with the settings of before as well, until all is read",
    )


def _place(address: str) -> str:
    # A stream of this name may be on another Redis now.
    return address if read_address(address).server else f"{address} on the Redis of REDIS_URL"


def _left(groups: StreamGroups) -> int:
    if not groups.groups:
        return groups.length
    return max(group.unread + group.pending for group in groups.groups)
