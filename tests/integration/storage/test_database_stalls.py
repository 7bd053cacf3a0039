"""A PostgreSQL that keeps its connections open and says nothing: every wait on it ends."""

import select
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from threading import Event, Thread

import pytest

from publisher.domain.errors import DatabaseUnavailable
from storage.database import Database
from tests.conftest import connected
from tests.integration.rows import execute, rows

PATIENCE = timedelta(milliseconds=400)
TICK = 0.02


class Relay:
    """Carries bytes between clients and PostgreSQL, until it stalls: then it keeps them, and every connection."""

    def __init__(self, server_url: str) -> None:
        with connected(server_url) as connection:
            self._server = connection.info
            self._flowing, self._closed = Event(), Event()
            self._flowing.set()
            self._listener = socket.create_server(("127.0.0.1", 0))
            port = self._listener.getsockname()[1]
            self.url = f"postgresql://{self._server.user}:secret@127.0.0.1:{port}/{self._server.dbname}"
            unix = self._server.host.startswith("/")
            self._family = socket.AF_UNIX if unix else socket.AF_INET
            self._address = (
                f"{self._server.host}/.s.PGSQL.{self._server.port}" if unix else (self._server.host, self._server.port)
            )
        self._threads = [Thread(target=self._listen)]
        self._threads[0].start()

    def stall(self) -> None:
        """From now on nothing comes through."""
        self._flowing.clear()

    def resume(self) -> None:
        """From now on everything comes through again."""
        self._flowing.set()

    def close(self) -> None:
        """Ends every connection."""
        self._closed.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _listen(self) -> None:
        while not self._closed.is_set():
            if select.select([self._listener], [], [], TICK)[0]:
                self._threads.append(Thread(target=self._carry, args=(self._listener.accept()[0],)))
                self._threads[-1].start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.socket(self._family) as server, suppress(OSError):
            server.connect(self._address)
            other = {client: server, server: client}
            while not self._closed.is_set():
                for source in select.select(list(other), [], [], TICK)[0] if self._flowing.wait(TICK) else ():
                    data = source.recv(65536)
                    if not data:
                        return
                    other[source].sendall(data)


@pytest.fixture
def relay(database_url: str) -> Iterator[Relay]:
    """A way to this test's database that can stall."""
    with closing(Relay(database_url)) as relay:
        yield relay


@pytest.fixture
def far(relay: Relay) -> Iterator[Database]:
    """This test's database, by that way."""
    with closing(
        Database(relay.url, application_name="test", connect_timeout=PATIENCE, statement_timeout=PATIENCE)
    ) as database:
        yield database


@contextmanager
def unavailable_within(limit: timedelta) -> Iterator[None]:
    """The body raises DatabaseUnavailable before this much time has passed."""
    start = time.monotonic()
    with pytest.raises(DatabaseUnavailable) as raised:
        yield
    assert time.monotonic() - start < limit.total_seconds()
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("statement_timeout", [PATIENCE * 50, None])
def test_a_server_that_never_greets_is_given_up(statement_timeout: timedelta | None) -> None:
    """Connecting to a server that takes the connection and is silent ends at the connect timeout, however long a
    statement may take."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"postgresql://ann:secret@127.0.0.1:{listener.getsockname()[1]}/publisher"
        database = Database(url, application_name="test", connect_timeout=PATIENCE, statement_timeout=statement_timeout)

        with unavailable_within(PATIENCE * 10):
            database.rows("SELECT 1")


def test_a_connection_that_stalls_is_given_up(far: Database, relay: Relay) -> None:
    """A statement that is never answered ends within its deadline, though its connection stays open."""

    def ask() -> None:
        with far.unit() as connection:
            connection.execute_sql("SELECT 1")
            relay.stall()
            connection.execute_sql("SELECT 2")

    with unavailable_within(PATIENCE * 10):
        ask()


def test_an_idle_connection_that_stalled_is_given_up(far: Database, relay: Relay) -> None:
    """A connection of the pool that stalled while it was idle holds up no one for longer than its deadlines."""
    far.rows("SELECT 1")
    relay.stall()

    with unavailable_within(PATIENCE * 10):
        far.rows("SELECT 2")


def test_a_stall_in_a_transaction_leaves_nothing(far: Database, relay: Relay, database: Database) -> None:
    """A transaction that stalls is over: nothing of it is kept, and its connection is not used again."""
    execute(database, "CREATE TABLE kept (id int)")

    def write() -> None:
        with far.unit() as connection, connection.atomic():
            connection.execute_sql("INSERT INTO kept VALUES (1)")
            relay.stall()
            connection.execute_sql("INSERT INTO kept VALUES (2)")

    with unavailable_within(PATIENCE * 10):
        write()
    relay.resume()

    assert rows(far, "SELECT * FROM kept") == []


def test_after_a_stall_the_next_unit_works(far: Database, relay: Relay) -> None:
    """Once the server answers again, the next unit does its work on a new connection."""
    before = far.rows("SELECT pg_backend_pid()")
    relay.stall()
    with unavailable_within(PATIENCE * 10):
        far.rows("SELECT 1")

    relay.resume()

    assert far.rows("SELECT pg_backend_pid()") != before
