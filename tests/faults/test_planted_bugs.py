"""The suite tests itself: bugs planted into the service are seen, and the service without them is clean."""

from collections.abc import Iterator, Mapping

import pytest
import redis

from tests.faults import layers
from tests.faults.layers import Layer
from tests.faults.planted_bugs import BUGS, Bug
from tests.faults.scenario import Scene, scene


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


def test_every_planted_bug_is_seen(stage: Scene) -> None:
    """Each of these bugs, invisible while nothing fails, is seen by the layer that is there for it (R15)."""
    rows = [("bug", "layer", "what it said"), *(_row(stage, bug) for bug in BUGS)]

    table = "\n".join(f"{name:<44} {layer:<14} {said}" for name, layer, said in rows)
    print(f"\n{table}")

    assert all(said for _, _, said in rows), f"some bugs were not seen:\n{table}"


def _row(stage: Scene, bug: Bug) -> tuple[str, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        bug.plant(patch)
        assert stage.after() == [], f"{bug.name} shows without any fault"
        return bug.name, bug.layer.__name__, bug.layer(stage)
