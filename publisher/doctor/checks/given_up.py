"""Whether streams that were given up are read to their end: by another number of partitions, or for another Redis."""

from collections.abc import Sequence

from publisher.doctor.verdict import Diagnosis, together, unknown, warning
from publisher.operations.verdict.given_up_wording import READ_THEM, listed, place
from publisher.operations.wording import names
from publisher.streams.given_up import GivenUp

_NOTHING = "nothing waits on a stream that was given up"


def given_up(waiting: Sequence[GivenUp], hidden: Sequence[str], *, sees_all: bool) -> Diagnosis:
    """Entries that nobody has read, or is done with, on streams that no process of these settings reads any more.

    hidden: the addresses of those that workers have read before, and that this user may not read. sees_all: False: nor
        may it read others that there may have been.
    """
    complaints = [warning(f"entries wait on streams that were given up: {listed(waiting)}", READ_THEM)] * bool(waiting)
    if hidden:
        streams = names([place(address) for address in hidden])
        complaints.append(
            unknown(
                f"not looked at, as this user may not read what was given up: {streams}",
                "leave the user the rights to it, by --print-grants with the settings of before, until all is read",
            )
        )
    return together(complaints, _NOTHING if sees_all else f"{_NOTHING}, among those that this user may read")
