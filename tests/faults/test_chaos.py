"""The real processes under every fault that a platform, a network and servers have (R15)."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from publisher.domain.rate_limit import RateLimit
from tests.faults.chaos import SHORT, long, run
from tests.faults.fault_schedule import FEW, LOST_REPLIES, MANY, ROLES, SERVERS, SLOTS, Fault, Kind, plan
from tests.faults.run_report import shortfalls
from tests.rate_windows import over_limit

SEED = 1615


def test_nothing_is_lost_and_nothing_comes_twice(server_folder: Path) -> None:
    """A few faults of each kind, over hundreds of routes: each ends where it must, once (R5, R12, R14, R15, R17)."""
    result = run(SEED, SHORT, server_folder, print)

    assert result.problems == []
    assert result.counts["routes"] >= 400
    assert result.counts["published"] > 0
    assert result.counts["messages at the mailbox"] > 50
    assert result.counts["faults of the SMTP server"] > 10
    for kind, count in FEW.items():
        if kind is not Kind.LOSE:
            assert result.happened[kind] == count
    assert result.happened[Kind.LOSE] > 0


@pytest.mark.long
@pytest.mark.timeout(900)
def test_nothing_is_lost_in_minutes_of_chaos(server_folder: Path) -> None:
    """A hundred kills, forty pauses and all the rest, over thirty thousand routes, within ten minutes (R15)."""
    result = run(SEED, long(8), server_folder, print)

    assert result.problems == []
    assert shortfalls(result) == []
    assert result.seconds < 600


@pytest.mark.parametrize(
    ("times", "over"),
    [
        ([0] * 20, 0),
        ([0] * 21, 1),
        (range(0, 20_000, 100), 0),
        ([*range(0, 20_000, 100), *[30_000] * 20], 0),
        ([*range(0, 20_000, 100), *[20_000] * 21], 1),
    ],
    ids=["a burst", "one too many at once", "at the rate", "a burst after a pause", "a burst on top"],
)
def test_a_window_over_the_limit_is_found(times: Sequence[int], over: int) -> None:
    """The checker itself sees more than rate x time + burst in any window, and nothing else (R30)."""
    assert max(0, round(over_limit([f"{at}-0" for at in times], RateLimit(10.0, 20)))) == over


def test_a_schedule_is_drawn_from_its_seed_alone() -> None:
    """The same seed gives the same faults at the same times; another gives others."""
    assert plan(1, 300, MANY) == plan(1, 300, MANY)
    assert plan(1, 300, MANY) != plan(2, 300, MANY)


@pytest.mark.parametrize("seed", range(5))
def test_a_schedule_has_as_many_faults_as_it_was_asked_for(seed: int) -> None:
    """None is dropped for want of a target, and each is in its order and on something that there is."""
    faults = plan(seed, 300, MANY)
    assert Counter(fault.kind for fault in faults) == MANY
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
    assert {fault.target for fault in faults} <= {*SLOTS, *SERVERS, *ROLES}
    assert {fault.detail for fault in faults if fault.kind is Kind.LOSE} == LOST_REPLIES.keys()


@pytest.mark.parametrize("seed", range(5))
def test_a_process_has_one_fault_at_a_time(seed: int) -> None:
    """A process that is paused is not killed meanwhile, nor one that boots."""
    taken: dict[str, list[Fault]] = defaultdict(list)
    for fault in plan(seed, 300, MANY):
        if fault.target in SLOTS:
            taken[fault.target].append(fault)
    for faults in taken.values():
        for one, next_ in pairwise(faults):
            assert next_.at - one.at >= one.lasting + 3.9
