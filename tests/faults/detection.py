"""The suite tested by itself: bugs planted into the service, and which layer sees each."""

from collections.abc import Iterable
from typing import NamedTuple

import pytest

from tests.faults.planted_bugs import Bug
from tests.faults.workload import Scene


class Sighting(NamedTuple):
    """A planted bug, the layer that is there for it, and what that said: nothing if it saw nothing."""

    bug: str
    layer: str
    said: str


def sightings(stage: Scene, bugs: Iterable[Bug]) -> list[Sighting]:
    """Plants each bug, checks that it does not show while nothing fails, and lets its layer look for it."""
    return [_sighting(stage, bug) for bug in bugs]


def _sighting(stage: Scene, bug: Bug) -> Sighting:
    with pytest.MonkeyPatch.context() as patch:
        bug.plant(patch)
        assert stage.after() == [], f"{bug.name} shows without any fault"
        return Sighting(bug.name, bug.layer.__name__.replace("_", " "), bug.layer(stage))
