"""Counts every I/O of this process with its servers, and makes one of them fail.

A point is the number of an I/O and what happens there. Points come from counting a clean run: nobody chooses them.
"""

import select
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, NoReturn

import psycopg2.extensions
import redis
from redis.connection import Connection


class Crash(BaseException):
    """The process died here: what is unwound and still runs reaches no server any more."""


class How(Enum):
    """What happens at a point. After: it was done, and its reply was lost."""

    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    CUT_BEFORE = "connection cut before"
    CUT_AFTER = "reply lost after"


CRASHES = (How.CRASH_BEFORE, How.CRASH_AFTER)
CUTS = (How.CUT_BEFORE, How.CUT_AFTER)


@dataclass(frozen=True)
class Point:
    """The number of an I/O since the process began, from 0, and what happens there."""

    number: int
    how: How


class IoInterceptor:
    """Every I/O of this process passes through it: it counts them, and makes one fail."""

    def __init__(self) -> None:
        self.begin()

    def begin(self, point: Point | None = None) -> None:
        """A new process, in which this will happen."""
        self.done: list[str] = []
        self.inside = False
        self._point, self._dead = point, False
        self._postgresql: list[Any] = []
        self._redis: list[Connection] = []
        self._open: list[Callable[[], None]] = []

    @property
    def described(self) -> str:
        """The point, and the I/O that stands there."""
        point = self._point
        if point is None:
            return "no fault"
        what = self.done[point.number] if point.number < len(self.done) else "never reached"
        return f"{point.how.value} I/O {point.number}, {what}"

    def postgresql(self, connection: Any, what: str, call: Callable[[], Any]) -> Any:
        """One round trip to PostgreSQL, the making of a connection too."""
        how = self.reached(f"PostgreSQL {what}")
        self._postgresql.append(connection)
        if how is How.CUT_BEFORE:
            if what == "connect":
                raise psycopg2.OperationalError("connection refused")
            sever(connection)
        self.inside = True
        try:
            result = call()
        except psycopg2.Error:
            if how not in (How.CRASH_AFTER, How.CUT_AFTER):
                raise
        finally:
            self.inside = False
        if how is How.CRASH_AFTER:
            self.die()
        if how is How.CUT_AFTER:
            sever(connection)
            connection.close()
            raise psycopg2.OperationalError("the reply was lost")
        return result

    def redis_connect(self, connection: Connection, call: Callable[[], socket.socket]) -> socket.socket:
        """The making of a connection to Redis."""
        how = self.reached("Redis connect")
        self._redis.append(connection)
        if how is How.CUT_BEFORE:
            raise ConnectionRefusedError
        made = call()
        if how in (How.CRASH_AFTER, How.CUT_AFTER):
            made.close()
        if how is How.CRASH_AFTER:
            self.die()
        if how is How.CUT_AFTER:
            raise ConnectionResetError
        return made

    def redis_send(self, connection: Connection, what: str, call: Callable[[], Any]) -> Any:
        """A command, or a pipeline of them, on its way to Redis."""
        how = self.reached(f"Redis send {what}")
        if how is How.CUT_BEFORE:
            connection._sock.shutdown(socket.SHUT_RDWR)
        result = call()
        if how is How.CRASH_AFTER:
            wait_for_reply(connection)
            self.die()
        if how is How.CUT_AFTER:
            wait_for_reply(connection)
            connection.disconnect()
        return result

    def redis_read(self, connection: Connection, call: Callable[[], Any]) -> Any:
        """A reply of Redis."""
        how = self.reached("Redis read")
        if how is How.CUT_BEFORE:
            wait_for_reply(connection)
            connection.disconnect()
            raise redis.ConnectionError("the connection was cut")
        try:
            result = call()
        except redis.ResponseError:
            if how not in (How.CRASH_AFTER, How.CUT_AFTER):
                raise
        if how is How.CRASH_AFTER:
            self.die()
        if how is How.CUT_AFTER:
            connection.disconnect()
            raise redis.ConnectionError("the reply was lost")
        return result

    def check_alive(self) -> None:
        """Raises Crash if the process is dead."""
        if self._dead:
            raise Crash

    def closes(self, close: Callable[[], None]) -> None:
        """Has this done when the process dies, as a kernel closes what a dead process had open."""
        self._open.append(close)

    def reached(self, what: str) -> How | None:
        """Counts an I/O. Returns what is to happen there, if anything; dies if that comes before it."""
        self.check_alive()
        self.done.append(what)
        if self._point is None or self._point.number != len(self.done) - 1:
            return None
        if self._point.how is How.CRASH_BEFORE:
            self.die()
        return self._point.how

    def die(self) -> NoReturn:
        """Ends the process: closes all its connections, and raises Crash."""
        self._dead = True
        for connection in self._postgresql:
            with suppress(psycopg2.Error):
                sever(connection)
                connection.close()
        for connection in self._redis:
            connection.disconnect()
        for close in self._open:
            close()
        raise Crash


def sever(connection: Any) -> None:
    """Ends a connection to PostgreSQL as a kernel does: without a word of farewell."""
    with suppress(psycopg2.InterfaceError, OSError), socket.socket(fileno=connection.fileno()) as borrowed:
        try:
            borrowed.shutdown(socket.SHUT_RDWR)
        finally:
            # libpq closes its own descriptor.
            borrowed.detach()


def wait_for_reply(connection: Connection) -> None:
    """Returns once the server has answered, so that what it was asked for is done."""
    if not connection._parser._reader.has_data():
        ready, _, _ = select.select([connection._sock], [], [], 5)
        assert ready, "Redis did not answer"
