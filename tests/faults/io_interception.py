"""Intercepts every I/O between the service and its servers, told from the test's own by the connection's name."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2.extensions
import pytest
from redis.connection import Connection

from storage.connection import deadline, hosts
from tests.faults.crash_points import IoInterceptor

# The name by which a statement of `storage` begins.
_NAME = re.compile(r"/\* (\w+) \*/")


def counted_class(io: IoInterceptor, whole: type) -> type:
    """A psycopg2 connection class of which every round trip goes through the io."""

    class Cursor(psycopg2.extensions.cursor):
        def execute(self, query: Any, parameters: Any = None) -> Any:
            named = _NAME.match(str(query))
            what = named[1] if named else " ".join(str(query).split()[:3])
            return io.postgresql(self.connection, what, lambda: super(Cursor, self).execute(query, parameters))

    class Counted(whole):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            io.postgresql(self, "connect", lambda: super(Counted, self).__init__(*arguments, **options))

        def cursor(self, *arguments: Any, **options: Any) -> Any:
            io.check_alive()
            return super().cursor(*arguments, **{"cursor_factory": Cursor} | options)

    return Counted


@contextmanager
def intercept_io() -> Iterator[IoInterceptor]:
    """Passes every I/O of the service's connections, those named `publisher-…`, through one interceptor."""
    io = IoInterceptor()
    try:
        with pytest.MonkeyPatch.context() as patch:
            _wire_postgresql(io, patch)
            _wire_redis(io, patch)
            yield io
    finally:
        # psycopg2 holds on to the patched one otherwise.
        deadline.install()


def _wire_postgresql(io: IoInterceptor, patch: pytest.MonkeyPatch) -> None:
    whole_wait = deadline._wait

    def wait(connection: Any) -> None:
        # Whatever waits on PostgreSQL is counted, and nothing is counted that waits twice.
        assert io.inside or not isinstance(connection, deadline.PatientConnection), "an I/O that is not counted"
        io.inside = False
        whole_wait(connection)

    patch.setattr(hosts, "PatientConnection", counted_class(io, deadline.PatientConnection))
    patch.setattr(deadline, "_wait", wait)


def _wire_redis(io: IoInterceptor, patch: pytest.MonkeyPatch) -> None:
    whole_connect, whole_send, whole_read = (
        Connection._connect,
        Connection.send_packed_command,
        Connection.read_response,
    )

    def ours(connection: Connection) -> bool:
        return str(connection.client_name).startswith("publisher-")

    def connect(self: Connection) -> socket.socket:
        return io.redis_connect(self, lambda: whole_connect(self)) if ours(self) else whole_connect(self)

    def send(self: Connection, command: Any, check_health: bool = True) -> Any:
        if not ours(self):
            return whole_send(self, command, check_health)
        if not self._sock:
            self.connect_check_health(check_health=False)
        return io.redis_send(self, _name(command), lambda: whole_send(self, command, check_health))

    def read(self: Connection, *arguments: Any, **options: Any) -> Any:
        if not ours(self):
            return whole_read(self, *arguments, **options)
        return io.redis_read(self, lambda: whole_read(self, *arguments, **options))

    patch.setattr(Connection, "_connect", connect)
    patch.setattr(Connection, "send_packed_command", send)
    patch.setattr(Connection, "read_response", read)


def _name(command: Any) -> str:
    # *3\r\n$8\r\nXGROUP …
    packed = command if isinstance(command, bytes) else b"".join(command)
    name, *rest = packed.split(b"\r\n", 5)[2::2]
    if name == b"MULTI":
        # By the last command of the transaction.
        return re.findall(rb"\*\d+\r\n\$\d+\r\n([A-Z]+)\r\n", packed)[-2].decode()
    # Each script is an I/O of its own kind.
    return f"EVALSHA {rest[0][:8].decode()}" if name == b"EVALSHA" else name.decode()
