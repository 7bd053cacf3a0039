"""Whether streams that were given up are read to their end: by another number of partitions, or for another Redis."""

from collections.abc import Sequence

from publisher.doctor.verdict import Diagnosis, together, warning
from publisher.operations.given_up_wording import READ_THEM, listed
from publisher.streams.given_up import GivenUp


def given_up(waiting: Sequence[GivenUp]) -> Diagnosis:
    """Entries that nobody has read, or is done with, on streams that no process of these settings reads any more."""
    if not waiting:
        return together([], "nothing waits on a stream that was given up")
    return warning(f"entries wait on streams that were given up: {listed(waiting)}", READ_THEM)
