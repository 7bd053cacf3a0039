"""Real servers for every test: one PostgreSQL and one Redis for the session, a fresh database per test.

The servers come from wheels, or are those of TEST_DATABASE_URL (a role that may create databases) and
TEST_REDIS_URL (whose database is emptied before each test).
"""

import os
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest
import redis
from psycopg2.extensions import TRANSACTION_STATUS_INTRANS

from publisher.channels.registry import discover_channels
from publisher.local.embedded import Servers, embedded_servers
from publisher.settings.settings import Settings
from publisher.streams.outbound import OutboundStreams
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database
from storage.schema.schema import migrate
from tests.mail_run import mail_server
from tests.processes import Processes
from tests.redis_keys import undocumented_keys
from tests.smtp_servers import HostileSmtp

TEMPLATE = "publisher_template"
# Data of servers: a database is several hundred files, and copying them on a disk takes fifteen times the work. None,
# which is the system's temporary folder, where there is no memory to spare.
_MEMORY = Path("/dev/shm")  # noqa: S108 - each test makes a folder of its own there
MEMORY = _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 4 * 2**30 else None

# Containers set it. Every process that the tests start, and each of pytest's own, would compile all modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell that starts the tests in the background has them ignore Ctrl-C, and every process that they start would, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The two servers of this session."""
    given = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_REDIS_URL")
    if given[0] and given[1]:
        if "PYTEST_XDIST_WORKER" in os.environ:
            raise pytest.UsageError("tests on servers of your own empty their Redis: run them one by one, with -n 0")
        yield Servers(given[0], given[1])
        return
    with (
        tempfile.TemporaryDirectory(prefix="publisher-tests-", dir=MEMORY) as folder,
        embedded_servers(Path(folder)) as embedded,
    ):
        # Tests lose nothing that matters in a power cut, and copy a database each.
        run_sql(
            embedded.database_url,
            "ALTER SYSTEM SET fsync = off",
            "ALTER SYSTEM SET file_copy_method = clone",
            "SELECT pg_reload_conf()",
        )
        yield embedded


@pytest.fixture(scope="session")
def template(servers: Servers) -> Iterator[str]:
    """The name of a migrated database that every test's own is copied from."""
    name = f"{TEMPLATE}_{uuid.uuid4().hex[:8]}"
    run_sql(servers.database_url, f'CREATE DATABASE "{name}"')
    with closing(Database(with_database(servers.database_url, name), application_name="template")) as database:
        migrate(database)
    yield name
    run_sql(servers.database_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def create_database(servers: Servers) -> Iterator[Callable[[str], str]]:
    """Creates a database of this test's own from a template, and returns its URL."""
    names = []

    def create(template_name: str) -> str:
        names.append(f"test_{uuid.uuid4().hex}")
        run_sql(servers.database_url, f'CREATE DATABASE "{names[-1]}" TEMPLATE "{template_name}" STRATEGY file_copy')
        return with_database(servers.database_url, names[-1])

    yield create
    for name in names:
        run_sql(servers.database_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def database_url(create_database: Callable[[str], str], template: str) -> str:
    """A migrated database of this test's own."""
    return create_database(template)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The service's own access to this test's database."""
    with closing(Database(database_url, application_name="test")) as database:
        yield database


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """An empty folder for embedded servers, with a short path.

    Not pytest's own: where tests run as root PostgreSQL is another user, and every session of pytest that starts
    closes the folder of them all to other users.
    """
    with tempfile.TemporaryDirectory(prefix="publisher-", dir=MEMORY, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def redis_url(servers: Servers, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty Redis. After the test it holds only keys that are listed, with the TTL that the list promises.

    A test that plants others says why: `stray_keys(reason)`.
    """
    with redis.Redis.from_url(servers.redis_url) as client:
        client.flushdb()
        client.script_flush()
        yield servers.redis_url
        if request.node.get_closest_marker("stray_keys") is None:
            assert undocumented_keys(client) == []


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A client as the service opens it."""
    with open_redis(redis_url, timeout=timedelta(seconds=3), client_name="test") as client:
        yield client


@pytest.fixture
def streams(redis_client: redis.Redis) -> OutboundStreams:
    """The outbound streams, with the default dedup window."""
    return OutboundStreams(StreamServers(redis_client), timedelta(hours=1))


@pytest.fixture
def environ(database_url: str, redis_url: str) -> dict[str, str]:
    """The environment of this test's processes. Tests add to it before they start any."""
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PUBLISHER_SCAN_INTERVAL": "0.5",
        "PUBLISHER_ROUTE_BACKOFF_MIN": "0.1",
        "PUBLISHER_LOG_FORMAT": "json",
        # Tests run side by side: each page has a port of its own.
        "PUBLISHER_WEB_PORT": "0",
    }


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    """The settings of this environment."""
    return Settings.from_environ(environ, discover_channels())


@pytest.fixture
def processes(environ: dict[str, str], tmp_path: Path) -> Iterator[Processes]:
    """Starts the service's real processes, and stops each by its pid."""
    started = Processes(environ, tmp_path)
    with ExitStack() as stack:
        stack.callback(started.kill_all)
        yield started


@pytest.fixture
def smtp(environ: dict[str, str]) -> Iterator[HostileSmtp]:
    """An SMTP server, which this test's processes send to."""
    with mail_server(environ) as server:
        yield server


def with_database(url: str, name: str) -> str:
    """The URL with another database in it."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def run_sql(url: str, *statements: str) -> None:
    """Runs statements outside any transaction."""
    with connected(url) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@contextmanager
def connected(url: str) -> Iterator["psycopg2.extensions.connection"]:
    """A connection from outside the service. It holds no lock any more once it is left."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        yield connection
        if connection.info.transaction_status == TRANSACTION_STATUS_INTRANS:
            # A server notices a closed connection only later, and keeps the locks of its transaction until then.
            connection.cursor().execute("ROLLBACK")
