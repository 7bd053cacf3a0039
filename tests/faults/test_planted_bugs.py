"""The suite tests itself: bugs planted into the service are seen, and the service without them is clean."""

from collections.abc import Iterator, Mapping

import pytest
import redis

from tests.faults import detectors, overtaken_workers
from tests.faults.detection import detect_all
from tests.faults.detectors import Detector
from tests.faults.planted_bugs import BUGS
from tests.faults.workload import Workload, open_workload


@pytest.fixture
def workload(environ: Mapping[str, str], redis_client: redis.Redis) -> Iterator[Workload]:
    """The two servers, and a process whose life can be repeated."""
    with open_workload(environ, redis_client) as made:
        yield made


@pytest.mark.parametrize(
    "detector",
    [
        detectors.refused_once,
        detectors.lost_data,
        overtaken_workers.stale_worker,
        overtaken_workers.held_lease,
        overtaken_workers.late_append,
        overtaken_workers.late_cancellation,
        detectors.lost_bucket,
        detectors.held_routes,
        detectors.crowded_lanes,
        detectors.reverted_postgresql,
    ],
    ids=lambda detector: detector.__name__,
)
def test_the_service_as_it_is_passes_every_detector(detector: Detector, workload: Workload) -> None:
    """A detector finds no bug in the service as it is (R15). Crash points have tests of their own."""
    assert detector(workload) == ""


@pytest.mark.parametrize("classic", [True, pytest.param(False, marks=pytest.mark.long)], ids=["classics", "others"])
def test_every_planted_bug_is_seen(classic: bool, workload: Workload) -> None:
    """Each bug, invisible while nothing fails, is found by its detector: the suite would notice it (R15)."""
    seen = detect_all(workload, [bug for bug in BUGS if bug.classic is classic])

    told = "\n".join(f"{bug:<44} {detector:<14} {said}" for bug, detector, said in seen)
    print(f"\n{told}")

    assert all(said for _, _, said in seen), f"some bugs were not seen:\n{told}"
    assert len(seen) >= 7
