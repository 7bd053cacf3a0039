"""Groups equal failures: a thousand routes that fail alike are one thing to mend."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.outcomes.failures import FailureRecord


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failed attempts of one channel with the same classification and message.

    count: how many of the failures that were read.
    first_at, last_at: when the first and the last of them failed.
    example: the newest of them.
    """

    count: int
    first_at: datetime
    last_at: datetime
    example: FailureRecord


def group_failures(failures: Iterable[FailureRecord]) -> Sequence[FailureGroup]:
    """Returns the groups, the one that failed last first."""
    together: dict[tuple[str, str, str], list[FailureRecord]] = {}
    for failure in failures:
        together.setdefault((failure.channel, failure.classification, failure.message), []).append(failure)
    groups = [
        FailureGroup(
            len(equal),
            min(failure.failed_at for failure in equal),
            max(failure.failed_at for failure in equal),
            max(equal, key=lambda failure: failure.id),
        )
        for equal in together.values()
    ]
    return sorted(groups, key=lambda group: group.example.id, reverse=True)
