"""The service against a model: any order of what producers, workers, operators, time and a forgetful Redis do (R15).

Each step is one operation of the real thing on real servers; after each, every route, command, dead letter and
malformed intent must be as a model of plain dicts says. What workers claimed stays at hand when their lease is gone,
so that stale workers append and complete between the steps of their successors.
"""

import random
import sys
from collections.abc import Iterator

import psycopg2.extras
import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import get_state_machine_test

from tests.conftest import connected
from tests.faults.composition import installed, seed_of
from tests.faults.model_comparison import ModelEnvironment
from tests.faults.model_intents import ENVIRON
from tests.faults.model_machine import RouteMachine
from tests.integration.publishers import logged


@pytest.fixture
def environment(environ: dict[str, str]) -> Iterator[ModelEnvironment]:
    """The service, with its events out of the way of what a failed example prints."""
    with (
        logged(),
        installed(environ, **ENVIRON) as context,
        connected(environ["DATABASE_URL"]) as connection,
        connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as eyes,
    ):
        yield ModelEnvironment(context, eyes)


def explore(environment: ModelEnvironment, *, seed_: int, examples: int, steps: int) -> None:
    """Runs so many examples of so many operations. The first that the model does not agree with fails, in short."""
    run = get_state_machine_test(
        lambda: RouteMachine(environment),  # type: ignore[arg-type]
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    seed(seed_)(run)()


def report(environment: ModelEnvironment) -> str:
    """How often each operation was done, and what became of it."""
    tables = {"operations": environment.operations, "results": environment.results}
    return "".join(
        f"{title}: {counts.total()}\n" + "".join(f"{count:8} {name}\n" for name, count in counts.most_common())
        for title, counts in tables.items()
    )


# What the examples must have come to, or they prove little.
WORTH = (
    *("intent accepted", "intent duplicate", "intent conflict", "intent malformed"),
    *(
        "handed over",
        "published",
        "failed",
        "dead-lettered",
        "released",
        "requeued",
        "discarded",
        "returned by the audit",
    ),
    *("stale: published", "stale: failed", "stale: dead-lettered", "stale: released"),
    *("command appended", "append found its witness", "append found a tombstone"),
    *("republished", "not republished", "deadline: expired", "deadline: published"),
    *("marked", "cancelled at once", "not cancelled", "deadline: cancelled"),
    *("cancellation", "cancellation repeated"),
    *("whole attempt: published", "whole attempt: failed"),
)


@pytest.mark.timeout(600)
def test_the_service_does_what_the_model_says(environment: ModelEnvironment, request: pytest.FixtureRequest) -> None:
    """Whatever happens in whatever order: nothing is lost, nothing stands twice, every count is explained (R15)."""
    explore(environment, seed_=seed_of(request.config, 1), examples=60, steps=60)

    sys.stdout.write(report(environment))
    assert [result for result in WORTH if not environment.results[result]] == []


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_service_does_what_the_model_says_for_long(
    environment: ModelEnvironment, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same over at least ten thousand operations, others each time (R15)."""
    with capsys.disabled():
        seed_ = seed_of(request.config, random.SystemRandom().randrange(2**32))
        explore(environment, seed_=seed_, examples=250, steps=60)
        sys.stdout.write(report(environment))

    assert environment.operations.total() >= 10_000
