"""The database's sessions and its pool: one connection per unit of work, and broken ones replaced."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from multiprocessing.connection import Connection
from threading import Barrier, Event

import pytest

from publisher.domain.errors import DatabaseRefused, DatabaseUnavailable, SettingsError
from storage.database import Database
from tests.conftest import run_sql
from tests.integration.rows import execute, rows
from tests.waiting import wait_until


def pid_of(database: Database) -> int:
    return database.rows("SELECT pg_backend_pid()")[0][0]


def backends(database: Database, application_name: str) -> int:
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
    return database.rows(sql, [application_name])[0][0]


def test_nothing_is_opened_before_it_is_used() -> None:
    """Composing a process opens no connection: a server that is away is no matter then."""
    Database("postgresql://nobody@127.0.0.1:1/nothing", application_name="test").close()


def test_a_session_speaks_utc_and_names_itself(database_url: str) -> None:
    """Every session is in UTC, and carries the process's name in pg_stat_activity (R2)."""
    with closing(Database(database_url, application_name="publisher-clock")) as database:
        assert rows(database, "SELECT current_setting('timezone') AS zone") == [{"zone": "UTC"}]
        assert backends(database, "publisher-clock") == 1


def test_a_url_of_heroku_s_kind_is_understood(database_url: str) -> None:
    """A URL that begins with postgres:// means the same as one with postgresql://."""
    url = database_url.replace("postgresql://", "postgres://")

    with closing(Database(url, application_name="test")) as database:
        assert rows(database, "SELECT 1 AS one") == [{"one": 1}]


def test_options_of_the_url_are_kept(database_url: str) -> None:
    """Session options in the URL stay, beside ours."""
    url = f"{database_url}&options=-c%20work_mem%3D9MB"

    with closing(Database(url, application_name="test", statement_timeout=timedelta(seconds=2))) as database:
        assert rows(
            database, "SELECT current_setting('work_mem') AS memory, current_setting('statement_timeout') AS timeout"
        ) == [{"memory": "9MB", "timeout": "1800ms"}]


@pytest.mark.parametrize("url", ["postgresql://ann:secret@host/db?colour=blue", "postgresql://ann:secret@[::1/db"])
def test_a_url_that_is_none_names_the_variable(url: str) -> None:
    """A URL that PostgreSQL does not understand is named by its variable, without its password."""
    with pytest.raises(SettingsError, match="DATABASE_URL") as raised:
        Database(url, application_name="test")

    assert "secret" not in str(raised.value)


def test_a_connection_is_kept_between_units(database: Database) -> None:
    """Units of one thread share a connection, one after the other."""
    assert len({pid_of(database) for _ in range(5)}) == 1


def test_a_terminated_connection_is_replaced(database: Database, database_url: str) -> None:
    """When the server has ended idle connections, in a restart say, the next unit gets a new one."""
    start = Barrier(3)

    def hold(_: int) -> int:
        with database.unit() as connection:
            start.wait()
            return connection.execute_sql("SELECT pg_backend_pid()").fetchone()[0]

    with ThreadPoolExecutor(3) as threads:
        old = list(threads.map(hold, range(3)))
    run_sql(database_url, f"SELECT pg_terminate_backend(pid, 10000) FROM unnest(ARRAY{old}) AS pid")

    assert pid_of(database) not in old


def test_a_unit_whose_connection_is_cut_is_unavailable_and_the_next_works(
    database: Database, database_url: str
) -> None:
    """A connection cut in the middle of a unit ends that unit alone, and nothing of it stays."""
    execute(database, "CREATE TABLE kept (id int)")

    def cut() -> None:
        with database.unit() as connection, connection.atomic():
            connection.execute_sql("INSERT INTO kept VALUES (1)")
            pid = connection.execute_sql("SELECT pg_backend_pid()").fetchone()[0]
            run_sql(database_url, f"SELECT pg_terminate_backend({pid}, 5000)")
            connection.execute_sql("INSERT INTO kept VALUES (2)")

    with pytest.raises(DatabaseUnavailable):
        cut()

    assert rows(database, "SELECT * FROM kept") == []


def test_a_unit_that_fails_leaves_no_transaction_open(database: Database) -> None:
    """Whatever ends a unit, its transaction is rolled back and its connection is clean for the next one."""
    execute(database, "CREATE TABLE kept (id int)")

    def fail() -> None:
        with database.unit() as connection, connection.atomic():
            connection.execute_sql("INSERT INTO kept VALUES (1)")
            raise KeyError("a bug")

    with pytest.raises(KeyError):
        fail()

    assert rows(database, "SELECT * FROM kept") == []
    assert rows(database, "SELECT now() = statement_timestamp() AS fresh") == [{"fresh": True}]


def test_a_refused_statement_leaves_the_connection_usable(database: Database) -> None:
    """After a refusal the same connection goes on."""
    before = pid_of(database)

    with pytest.raises(DatabaseRefused):
        database.rows("SELECT 1 / 0")

    assert pid_of(database) == before


def test_a_full_pool_is_unavailable_in_time(database_url: str) -> None:
    """A thread that gets no connection within the time of a statement is told so, and does not wait for ever."""
    small = Database(database_url, application_name="test", pool_size=1, statement_timeout=timedelta(milliseconds=100))
    with closing(small), ThreadPoolExecutor(1) as thread, small.unit():
        waiting = thread.submit(pid_of, small)

        with pytest.raises(DatabaseUnavailable, match="no connection came free"):
            waiting.result(timeout=10)


def test_a_thread_gets_the_connection_that_comes_free(database_url: str) -> None:
    """A thread that waits for the pool goes on as soon as another gives its connection back."""
    asked = Event()

    def ask(small: Database) -> int:
        asked.set()
        return pid_of(small)

    small = Database(database_url, application_name="test", pool_size=1)
    with closing(small), ThreadPoolExecutor(1) as thread:
        with small.unit() as connection:
            mine = connection.execute_sql("SELECT pg_backend_pid()").fetchone()[0]
            waiting = thread.submit(ask, small)
            asked.wait()

        assert waiting.result(timeout=10) == mine


def test_threads_share_the_pool(database_url: str) -> None:
    """Many threads work through a few connections, each unit on one of its own, and no more are opened."""
    with closing(Database(database_url, application_name="few", pool_size=3)) as database:
        sql = "SELECT pg_backend_pid(), %s, pg_sleep(0.002)"
        with ThreadPoolExecutor(12) as threads:
            answers = list(threads.map(lambda n: (n, database.rows(sql, [n])[0]), range(200)))

        assert all(answer[1] == n for n, answer in answers)
        assert len({answer[0] for _, answer in answers}) <= 3
        assert backends(database, "few") <= 3


def test_closing_ends_every_connection(database_url: str, database: Database) -> None:
    """A closed pool has no session left on the server."""
    closed = Database(database_url, application_name="closed")
    start = Barrier(2)

    def hold(_: int) -> None:
        with closed.unit() as connection:
            connection.execute_sql("SELECT 1")
            start.wait()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(hold, range(2)))
    assert backends(database, "closed") == 2

    closed.close()

    wait_until(lambda: backends(database, "closed") == 0)


# Python 3.12 and later warn of any fork beside a thread.
forking = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def in_a_fork(work: Callable[[], object]) -> object:
    """What the work returned in a forked child."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def run(result: Connection) -> None:
        result.send(work())

    child = context.Process(target=run, args=(theirs,))
    child.start()
    with ours, theirs:
        assert ours.poll(20)
        answer = ours.recv()
    child.join()
    return answer


@forking
def test_a_fork_shares_no_connection(database: Database) -> None:
    """A forked child opens its own connections, and its parent's go on working."""
    before = pid_of(database)

    of_child = in_a_fork(lambda: [pid_of(database), pid_of(database)])

    assert isinstance(of_child, list)
    assert of_child[0] == of_child[1] != before
    assert pid_of(database) == before


@forking
def test_a_fork_in_the_middle_of_a_unit_harms_neither(database: Database) -> None:
    """A child forked while its parent is inside a transaction works, ends, and leaves the transaction whole."""
    execute(database, "CREATE TABLE kept (id int)")

    with database.unit() as connection, connection.atomic():
        connection.execute_sql("INSERT INTO kept VALUES (1)")
        of_child = in_a_fork(lambda: database.rows("SELECT count(*) FROM kept"))
        connection.execute_sql("INSERT INTO kept VALUES (2)")

    assert of_child == [(0,)]
    assert rows(database, "SELECT count(*) FROM kept") == [{"count": 2}]
