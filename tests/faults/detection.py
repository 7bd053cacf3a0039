"""Plants each bug in the service, and reports whether its detector finds it."""

from collections.abc import Iterable
from typing import NamedTuple

import pytest

from tests.faults.planted_bugs import Bug
from tests.faults.workload import Workload


class Detection(NamedTuple):
    """A planted bug, its detector, and the problem which that reported: empty if it found nothing."""

    bug: str
    detector: str
    said: str


def detect_all(workload: Workload, bugs: Iterable[Bug]) -> list[Detection]:
    """Plants each bug, checks that it does not show while nothing fails, and runs its detector."""
    return [_detect(workload, bug) for bug in bugs]


def _detect(workload: Workload, bug: Bug) -> Detection:
    with pytest.MonkeyPatch.context() as patch:
        bug.plant(patch)
        assert workload.after() == [], f"{bug.name} shows without any fault"
        return Detection(bug.name, bug.detector.__name__.replace("_", " "), bug.detector(workload))
