"""The first hour of a platform engineer with servers of their own: look, migrate, look again, stop."""

from collections.abc import Callable

import pytest

from storage.database import Database
from tests.acceptance.first_hour import FirstHour
from tests.factories import accepted
from tests.processes import free_port

# A story is many commands, each a process of its own.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def new_database(create_database: Callable[[str], str]) -> str:
    """An empty database."""
    return create_database("template1")


def test_doctor_and_migrate_lead_from_an_empty_database_to_a_service(hour: FirstHour, new_database: str) -> None:
    """`doctor` names what is missing and the command that mends it; after `migrate` nothing is wrong."""
    hour.environ["DATABASE_URL"] = new_database

    hour.types("publisher guide", says="deploying")
    hour.types("publisher guide sizing", says="Sizing")
    hour.types("publisher doctor", says="publisher migrate", code=1, screen="doctor-before-migrate")
    hour.types("publisher migrate", says="0005_discards")
    hour.types("publisher migrate", screen="migrate-again")
    hour.types("publisher doctor", says="checks:", screen="doctor-after-migrate")
    hour.types("publisher status", says="nothing was ever sent", screen="status-of-nothing")
    hour.types("publisher --help", says="status")
    hour.types("publisher dead-letters requeue --help", says="--dry-run")


def test_status_says_that_no_worker_runs(hour: FirstHour, database: Database) -> None:
    """A thousand routes are due, and nobody publishes them."""
    accepted(database, [{"idempotency_key": f"turn-{n}"} for n in range(500)])

    seen = hour.types("publisher status", says="no worker runs", screen="status-without-worker")
    assert seen.shown[0].startswith("1,000 due"), seen.shown[0]


def test_status_watch_ends_by_ctrl_c(hour: FirstHour, database: Database) -> None:
    """It draws frames until Ctrl-C, which is no failure."""
    watch = hour.begins("publisher status --watch")
    watch.wait_for("processes")
    watch.type("\x03")

    hour.judges("status-watch", "publisher status --watch", watch.wait())


@pytest.mark.long
def test_a_redis_that_is_away_is_named(hour: FirstHour) -> None:
    """Each command says in a line which server does not answer; what PostgreSQL has is shown all the same."""
    hour.environ["REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"

    hour.types("publisher status", says="Redis", code=1, screen="status-without-redis")
    hour.types("publisher doctor", says="redis", code=1, screen="doctor-without-redis")


@pytest.mark.long
def test_names_that_do_not_exist_are_told_with_those_that_do(hour: FirstHour) -> None:
    """A mistyped channel, guide, id or command: what it could be is said, and nothing is shown for something else."""
    hour.types("publisher guide deploy", says="deploying", code=2)
    hour.types("publisher channels pause emial --reason x", says="email", code=2)
    hour.types("publisher routes list --channel emial", says="email", code=2)
    hour.types("publisher statsu", says="status", code=2)
    hour.types("publisher trace turn-17", says="turn-17", code=1)
    hour.types("publisher explain 0bf75ccd-d5bd-5670-b43e-ae8573d426ef", code=1)
    hour.types("publisher dead-letters list --since 1h")
    hour.types("publisher dead-letters list --since yesterday")
