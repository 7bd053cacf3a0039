"""A DATABASE_URL of several hosts: whichever takes writes is found, within the time that one connection may take."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pytest

from publisher.domain.errors import DatabaseUnavailable
from storage.database import Database
from storage.health import Hosts, read_hosts
from tests.conftest import run_sql
from tests.faults.proxy import Proxy
from tests.poolers import PGBOUNCER, pooler
from tests.processes import free_port
from tests.waiting import wait_until

_PATIENCE = timedelta(seconds=1)


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A host that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def both(database_url: str, port: int, chosen: str = "read-write") -> Database:
    """127.0.0.1 with this port, and then the server of this database."""
    parts = urlsplit(database_url)
    query = f"host=127.0.0.1,{sockets(database_url)}&port={port},5432&target_session_attrs={chosen}"
    return Database(
        parts._replace(query=query).geturl(),
        application_name="test",
        connect_timeout=_PATIENCE,
        statement_timeout=timedelta(minutes=5),
    )


def sockets(database_url: str) -> str:
    """The folder of the server's socket."""
    return parse_qs(urlsplit(database_url).query)["host"][0]


def test_a_first_host_that_is_silent_does_not_hide_the_second(database_url: str, silent: socket.socket) -> None:
    """A machine that lost its power answers nothing: the promoted standby behind it in the URL is found all the same,
    and the connections after that ask it first."""
    with closing(both(database_url, silent.getsockname()[1])) as database:
        assert database.rows("SELECT 1") == [(1,)]
        silent.accept()[0].close()
        database.close_idle()
        assert database.rows("SELECT 2") == [(2,)]

    with pytest.raises(BlockingIOError):
        silent.accept()


def test_where_any_host_will_do_the_first_is_asked_first(database_url: str, silent: socket.socket) -> None:
    """Without target_session_attrs the order of the URL says which host is preferred, each time."""
    with closing(both(database_url, silent.getsockname()[1], "any")) as database:
        for _ in range(2):
            assert database.rows("SELECT 1") == [(1,)]
            database.close_idle()
            silent.accept()[0].close()


def test_an_address_that_is_silent_does_not_hide_the_next_of_the_same_name(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name may have an address for each of two machines, one of which lost its power, or one of IPv6 that nothing
    answers on: the other one is found within the time that one connection may take."""
    parts = urlsplit(database_url)
    with closing(Proxy(f"{sockets(database_url)}/.s.PGSQL.5432")) as server:
        addresses = [(2, 1, 6, "", (address, 0)) for address in ("127.0.0.2", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
        url = parts._replace(netloc=f"postgres@db.example:{server.port}", query="").geturl()
        with (
            socket.create_server(("127.0.0.2", server.port)),
            closing(Database(url, application_name="test", connect_timeout=_PATIENCE)) as database,
        ):
            assert database.rows("SELECT 1") == [(1,)]
            # One host: which of its addresses answered is the resolver's matter.
            assert read_hosts(database) == Hosts(f"db.example:{server.port}", 1, chosen=False)


@pytest.mark.skipif(PGBOUNCER is None, reason="needs pgbouncer")
def test_what_a_pooler_remembers_of_its_server_is_not_believed(database_url: str, tmp_path: Path) -> None:
    """PgBouncer tells every client what the server that it reached first said of itself: once that one takes writes,
    it is found by target_session_attrs all the same."""
    name = urlsplit(database_url).path[1:]
    run_sql(database_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    with pooler(tmp_path, database_url, 1) as url, closing(psycopg2.connect(url)) as stranger:
        # It goes on with the session that it has, as with a standby that is promoted.
        stranger.autocommit = True
        stranger.cursor().execute("SET default_transaction_read_only = off")
        with closing(Database(f"{url}?target_session_attrs=read-write", application_name="test")) as database:
            assert database.rows("SELECT 1") == [(1,)]


def test_hosts_of_which_none_takes_writes_are_an_outage(database_url: str) -> None:
    """While a standby is being promoted: the error names both hosts, what each of them said, and DATABASE_URL."""
    name = urlsplit(database_url).path[1:]
    run_sql(database_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    port = free_port()

    with closing(both(database_url, port)) as database, pytest.raises(DatabaseUnavailable) as raised:
        database.rows("SELECT 1")

    first, second = str(raised.value).split("; ", 1)
    assert first.startswith(f"PostgreSQL is not available: connection refused (127.0.0.1:{port}, sslmode not set): ")
    assert second.startswith("it takes no writes: a standby, or read only (")
    assert second.endswith(": wait until a standby is promoted, or name the primary in DATABASE_URL")


def test_a_host_that_falls_silent_is_left_once_another_takes_writes(database_url: str) -> None:
    """However long a statement may take: nobody waits for a dead primary while there is a new one, and connections to
    the dead one that are idle are not even asked."""
    with (
        closing(Proxy(f"{sockets(database_url)}/.s.PGSQL.5432")) as old,
        closing(both(database_url, old.port)) as database,
    ):
        with database.unit() as first, ThreadPoolExecutor(1) as other:
            first.execute_sql("SELECT 1")
            other.submit(database.rows, "SELECT 2").result()
            assert old.connections() == 2
        assert read_hosts(database) == Hosts(f"127.0.0.1:{old.port}", 2, chosen=True)
        old.stall()

        with pytest.raises(DatabaseUnavailable, match="silent, and another host of DATABASE_URL takes writes now"):
            database.rows("SELECT 3")

        found = read_hosts(database)
        assert (found.reached, found.primaries) == (sockets(database_url), ())
        assert [said.split(":")[0] for said in found.refusals] == ["timeout"]
        old.resume()
        wait_until(lambda: old.connections() == 0)


def test_a_slow_statement_is_waited_for_where_its_host_is_well(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hosts may be two ways to one primary: that the other takes writes, too, is no failover."""
    monkeypatch.setattr("storage.connection.deadline._SILENCE", 0.02)
    with (
        closing(Proxy(f"{sockets(database_url)}/.s.PGSQL.5432")) as way,
        closing(both(database_url, way.port)) as database,
    ):
        assert database.rows("SELECT pg_sleep(0.2)") == [("",)]
        assert read_hosts(database).reached == f"127.0.0.1:{way.port}"
