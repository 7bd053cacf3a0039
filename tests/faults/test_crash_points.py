"""A process that dies, or loses a connection, at any I/O: nothing is lost, nothing stands twice (R15)."""

import itertools
import random
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pytest
import redis

from tests.faults.crash_points import CRASHES, CUTS, How, Point
from tests.faults.workload import SEED, Workload, open_workload

PAIRS = 1_000
# The short form takes every so manyth point, and begins at another one each time. Odd: before and after alternate.
STRIDE = 17


@pytest.fixture
def workload(environ: Mapping[str, str], redis_client: redis.Redis) -> Iterator[Workload]:
    """The two servers, and a process whose life can be repeated."""
    with open_workload(environ, redis_client) as made:
        yield made


@pytest.fixture
def limited(environ: Mapping[str, str], redis_client: redis.Redis) -> Iterator[Workload]:
    """The same with rate limits. Each bucket begins empty, and is full enough by the next scan."""
    rates = {f"PUBLISHER_{channel}_RATE": "1000000/s" for channel in ("EMAIL", "PUSH")}
    with open_workload({**environ, **rates}, redis_client) as made:
        yield made


def test_a_life_without_faults_is_clean_and_the_same_each_time(workload: Workload) -> None:
    """The points of one life are those of the next, and without a fault all is as it should be."""
    lives = []
    for _ in range(2):
        assert workload.after() == []
        lives.append(list(workload.io.done))

    assert lives[0] == lives[1]
    # Whatever a later driver does its I/O with: it is still counted.
    assert {"PostgreSQL connect", "PostgreSQL accept_intents"} <= set(lives[0])
    assert "PostgreSQL take_handed_over" in lives[0]
    assert {"Redis connect", "Redis send XREADGROUP", "Redis read"} <= set(lives[0])
    # An operator who has a route published again is a part of it.
    assert "PostgreSQL republish" in lives[0]
    assert [what for what in lives[0] if what.startswith("Redis send EVALSHA ")]


@pytest.mark.parametrize("hows", [CRASHES, CUTS], ids=["crash", "cut"])
def test_some_single_points(hows: Sequence[How], workload: Workload) -> None:
    """A process that dies at an I/O, or lives and loses the connection there, breaks no promise (R12, R15, R20)."""
    first = secrets.randbelow(STRIDE)

    run(workload, [(point,) for point in points(workload, hows)[first::STRIDE]], f"every {STRIDE}th from {first}")


@pytest.mark.parametrize("hows", [CRASHES, CUTS], ids=["crash", "cut"])
def test_some_single_points_under_a_rate_limit(hows: Sequence[How], limited: Workload) -> None:
    """The same where each worker asks the limit before it claims, and each append takes tokens (R30)."""
    first = secrets.randbelow(2 * STRIDE)

    run(
        limited,
        [(point,) for point in points(limited, hows)[first :: 2 * STRIDE]],
        f"every {2 * STRIDE}th from {first}",
    )


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("hows", [CRASHES, CUTS], ids=["crash", "cut"])
def test_every_single_point(hows: Sequence[How], workload: Workload) -> None:
    """The same at every I/O, before and after it (R12, R15, R20)."""
    run(workload, [(point,) for point in points(workload, hows)], "all")


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_pairs_of_crashes(workload: Workload) -> None:
    """A process that dies anywhere, and whose successor dies anywhere, breaks no promise (R15)."""
    # A successor's life has other points than the first: pairs whose second one is never reached do not count.
    single = points(workload, CRASHES)
    chance = random.Random(SEED)
    drawn = (tuple(chance.choices(single, k=2)) for _ in itertools.count())

    run(workload, drawn, f"a sample of pairs, seed {SEED}", enough=PAIRS)


def points(workload: Workload, hows: Sequence[How]) -> list[Point]:
    """Every point of a life, found by counting."""
    assert workload.after() == []
    return [Point(number, how) for number in range(len(workload.io.done)) for how in hows]


def run(workload: Workload, cases: Iterable[tuple[Point, ...]], what: str, enough: int | None = None) -> None:
    """Runs the cases, up to so many of which every point was deadly, and prints what was done."""
    began, done = time.monotonic(), 0
    for case in cases:
        found = workload.after(*case)
        assert found == [], f"{case}: {'; '.join(workload.fault_log)}"
        done += enough is None or workload.deaths == len(case)
        if done == enough:
            break
    print(f"\n{what}: {done} cases, 0 violations, {time.monotonic() - began:.1f} s")
