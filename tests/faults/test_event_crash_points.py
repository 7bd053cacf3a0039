"""An intake that dies, or loses a connection, at any I/O of delivery events: none is lost, none counts twice (R32)."""

from collections.abc import Iterator, Mapping, Sequence

import pytest
import redis

from tests.faults.crash_points import CRASHES, CUTS, How, Point
from tests.faults.workload import open_workload
from tests.faults.workload_events import EventsWorkload

# The short form takes every so manyth point.
STRIDE = 3


@pytest.fixture
def workload(environ: Mapping[str, str], redis_client: redis.Redis) -> Iterator[EventsWorkload]:
    """The two servers, and a process whose life can be repeated."""
    with open_workload(environ, redis_client) as made:
        yield EventsWorkload(made)


def after_each(workload: EventsWorkload, hows: Sequence[How], stride: int) -> None:
    """Runs a life for each of these points, and one more after each death."""
    assert workload.after() == []
    done = list(workload.on.io.done)
    assert {"PostgreSQL record_delivery_events", "Redis send XREADGROUP"} <= set(done)
    for place, number in enumerate(range(0, len(done), stride)):
        point = Point(number, hows[place % 2])
        assert workload.after(point) == [], f"{point}: {done[number]}"


@pytest.mark.parametrize("hows", [CRASHES, pytest.param(CUTS, marks=pytest.mark.long)], ids=["crash", "cut"])
def test_some_points_of_the_intake_of_events(workload: EventsWorkload, hows: Sequence[How]) -> None:
    """Killed between commit and XACK as anywhere else: every event is recorded once, and every answer stands (R20)."""
    after_each(workload, hows, STRIDE)


@pytest.mark.long
@pytest.mark.parametrize("hows", [CRASHES, CUTS, CRASHES[::-1], CUTS[::-1]])
def test_every_point_of_the_intake_of_events(workload: EventsWorkload, hows: Sequence[How]) -> None:
    """The same at every I/O, before and after it."""
    after_each(workload, hows, 1)
