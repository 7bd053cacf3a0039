"""The outside world of the processes under test."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import redis

from storage.database import Database
from tests.acceptance.command_tree import LONG_RUNNING
from tests.acceptance.first_hour import COLUMNS, FirstHour
from tests.acceptance.forked_commands import Forks
from tests.acceptance.local_run import Descendants
from tests.acceptance.outside import Outside
from tests.acceptance.printed_ids import printed_ids
from tests.conftest import connected
from tests.processes import run_command

Publisher = Callable[..., CompletedProcess[str]]
# Read by commands. Python and its libraries read others at their start, or as they are imported.
READ_LATE = ("PUBLISHER_", "DATABASE_URL", "REDIS_URL", "EDITOR", "VISUAL")


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


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """A process that has imported every command, and forks one for each that is run."""
    with closing(Forks({})) as forks:
        yield forks


@pytest.fixture
def publisher(environ: dict[str, str], forks: Forks) -> Publisher:
    """Runs one `publisher` command to its end; keyword arguments are variables, None takes one away.

    It is started as from a shell if it runs for long, or if a variable may matter to a start. Others are forked.
    """

    def run(*arguments: str, stdin: str | bytes = "", **variables: str | None) -> CompletedProcess[str]:
        needed = environ | variables
        is_short = not " ".join(arguments).startswith(tuple(LONG_RUNNING))
        if not (is_short and all(name.startswith(READ_LATE) for name in needed)):
            return run_command("publisher", *arguments, environ=needed, stdin=stdin)
        done = forks.run(arguments, needed, stdin=stdin.encode() if isinstance(stdin, str) else stdin)
        return CompletedProcess(arguments, done.code, done.stdout.decode(), done.stderr.decode())

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
