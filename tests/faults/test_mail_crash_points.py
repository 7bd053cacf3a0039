"""A mail process that dies, or loses a connection, at any I/O: no message is lost, each further one counted (R33)."""

import random
import secrets
import time
from collections.abc import Iterator, Sequence

import pytest
import redis

from storage.database import Database
from tests.faults.crash_points import CRASHES, CUTS, How, Point
from tests.faults.mail_workload import MailWorkload, open_mail_workload

# The short form takes every so manyth point, and begins at another one each time. Odd: before and after alternate.
STRIDE = 35
PAIRS = 300
SEED = 20260314


@pytest.fixture
def workload(
    request: pytest.FixtureRequest, environ: dict[str, str], database: Database, redis_client: redis.Redis
) -> Iterator[MailWorkload]:
    """The servers, and a process whose life can be repeated. It holds what is unsure where the test asks for that."""
    with open_mail_workload(environ, database, redis_client, unsure=getattr(request, "param", "send")) as made:
        yield made


def test_a_life_without_faults_is_clean(workload: MailWorkload) -> None:
    """Without a fault all is as it should be, every message is sent once, and every kind of I/O is counted."""
    for _ in range(2):
        assert workload.after() == []
        assert len(workload.smtp.taken) == 3

    done = set(workload.io.done)
    assert {f"PostgreSQL {name}" for name in ("begin_mail", "begin_due_mail", "record_mail")} <= done
    assert {"SMTP connect", "SMTP write MAIL", "SMTP write content", "SMTP read"} <= done
    assert {"Redis connect", "Redis send XREADGROUP", "Redis read"} <= done


@pytest.mark.parametrize("workload", ["send", "hold"], indirect=True)
@pytest.mark.parametrize("hows", [CRASHES, pytest.param(CUTS, marks=pytest.mark.long)], ids=["crash", "cut"])
def test_some_single_points(hows: Sequence[How], workload: MailWorkload) -> None:
    """A process that dies at an I/O, or lives and loses the connection there, breaks no promise (R15, R33)."""
    first = secrets.randbelow(STRIDE)

    run(workload, [(point,) for point in points(workload, hows)[first::STRIDE]], f"every {STRIDE}th from {first}")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("workload", ["send", "hold"], indirect=True)
@pytest.mark.parametrize("hows", [CRASHES, CUTS], ids=["crash", "cut"])
def test_every_single_point(hows: Sequence[How], workload: MailWorkload) -> None:
    """The same at every I/O, before and after it (R15, R33)."""
    run(workload, [(point,) for point in points(workload, hows)], "all")


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_pairs_of_crashes(workload: MailWorkload) -> None:
    """A process that dies anywhere, and whose successor dies anywhere, breaks no promise (R15, R33)."""
    # A successor's life has other points than the first: of some pairs the second one is never reached.
    single = points(workload, CRASHES)
    chance = random.Random(SEED)

    run(workload, [tuple(chance.choices(single, k=2)) for _ in range(PAIRS)], f"a sample of pairs, seed {SEED}")


def points(workload: MailWorkload, hows: Sequence[How]) -> list[Point]:
    """Every point of a life, found by counting."""
    assert workload.after() == []
    return [Point(number, how) for number in range(len(workload.io.done)) for how in hows]


def run(workload: MailWorkload, cases: Sequence[Sequence[Point]], what: str) -> None:
    """Runs the cases, and prints what was done."""
    began, deaths = time.monotonic(), 0
    for case in cases:
        found = workload.after(*case)
        assert found == [], f"{case}: {'; '.join(workload.fault_log)}"
        deaths += workload.deaths
    print(f"\n{what}: {len(cases)} cases, {deaths} deaths, 0 violations, {time.monotonic() - began:.1f} s")
