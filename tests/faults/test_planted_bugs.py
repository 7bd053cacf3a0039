"""The suite tests itself: bugs planted into the service are seen, and the service without them is clean."""

from collections.abc import Iterator, Mapping

import pytest
import redis

from tests.faults import detectors as layers
from tests.faults.detection import sightings
from tests.faults.detectors import Layer
from tests.faults.planted_bugs import BUGS
from tests.faults.workload import Scene, scene


@pytest.fixture
def stage(environ: Mapping[str, str], redis_client: redis.Redis) -> Iterator[Scene]:
    """The two servers, and a process whose life can be repeated."""
    with scene(environ, redis_client) as made:
        yield made


@pytest.mark.parametrize(
    "layer",
    [layers.refused_once, layers.lost_data, layers.stale_worker, layers.held_lease],
    ids=lambda layer: layer.__name__,
)
def test_the_service_as_it_is_passes_every_layer(layer: Layer, stage: Scene) -> None:
    """A layer that finds bugs finds none in the service itself (R15). Crash points have tests of their own."""
    assert layer(stage) == ""


@pytest.mark.parametrize("classic", [True, pytest.param(False, marks=pytest.mark.long)], ids=["classics", "others"])
def test_every_planted_bug_is_seen(classic: bool, stage: Scene) -> None:
    """Each of these bugs, invisible while nothing fails, is seen by the layer that is there for it (R15)."""
    seen = sightings(stage, [bug for bug in BUGS if bug.classic is classic])

    told = "\n".join(f"{bug:<44} {layer:<14} {said}" for bug, layer, said in seen)
    print(f"\n{told}")

    assert all(said for _, _, said in seen), f"some bugs were not seen:\n{told}"
    assert len(seen) >= 7
