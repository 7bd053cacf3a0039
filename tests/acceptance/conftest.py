"""The outside world of the processes under test."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import redis

from storage.database import Database
from tests.acceptance.first_hour import COLUMNS, FirstHour
from tests.acceptance.local_run import Descendants
from tests.acceptance.outside import Outside
from tests.acceptance.printed_ids import printed_ids
from tests.conftest import connected
from tests.processes import run_command

Publisher = Callable[..., CompletedProcess[str]]


@pytest.fixture
def outside(database_url: str, redis_url: str) -> Iterator[Outside]:
    """This test's database and Redis, seen from outside."""
    with connected(database_url) as connection, redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield Outside(connection, client)


@pytest.fixture
def empty(environ: dict[str, str], create_database: Callable[[str], str], redis_url: str) -> Iterator[Outside]:
    """A database without a schema, which this test's processes use, and its Redis, seen from outside."""
    environ["DATABASE_URL"] = create_database("template0")
    with (
        connected(environ["DATABASE_URL"]) as connection,
        redis.Redis.from_url(redis_url, decode_responses=True) as client,
    ):
        yield Outside(connection, client)


@pytest.fixture
def ids(database: Database, outside: Outside) -> Mapping[str, str]:
    """An id of each form in which a command prints it, by a name of the form."""
    return printed_ids(database, outside)


@pytest.fixture
def publisher(environ: dict[str, str]) -> Publisher:
    """Runs one `publisher` command to its end; keyword arguments are variables, None takes one away."""

    def run(*arguments: str, stdin: str | bytes = "", **variables: str | None) -> CompletedProcess[str]:
        return run_command("publisher", *arguments, environ=environ | variables, stdin=stdin)

    return run


@pytest.fixture
def family(environ: dict[str, str]) -> Iterator[Descendants]:
    """The processes that come of this test. None outlives it."""
    environ["MARK"] = uuid.uuid4().hex
    family = Descendants(environ["MARK"])
    yield family
    family.kill()


@pytest.fixture
def descendants(environ: dict[str, str], family: Descendants, server_folder: Path) -> Descendants:
    """The processes that come of this test, in an environment without servers and a folder for temporary files."""
    environ["TMPDIR"] = str(server_folder)
    del environ["DATABASE_URL"], environ["REDIS_URL"]
    return family


# Every screen by itself is tried in both widths (test_cli_columns): the hour in the narrow one is of the long form.
@pytest.fixture(
    params=[pytest.param(c, marks=pytest.mark.long if c < 80 else ()) for c in COLUMNS],
    ids=lambda columns: f"{columns}-columns",
)
def hour(request: pytest.FixtureRequest, environ: dict[str, str], server_folder: Path) -> Iterator[FirstHour]:
    """Somebody at a terminal of this width, with the servers of this test, in an empty folder."""
    with closing(FirstHour(environ, request.param, server_folder)) as hour:
        yield hour
