"""Gives every wait on PostgreSQL a deadline, also while the server is silent and the connection open.

libpq has no such deadline: statement_timeout needs a server that answers, and keepalives an operating system that gives
up. psycopg2 waits through a callback of ours instead ("Support for coroutine libraries" in its manual).
"""

import math
import re
import select
import time
from datetime import timedelta
from typing import Protocol

import psycopg2
import psycopg2.extensions

from storage.connection.errors import refused_connection

_EVENTS = {psycopg2.extensions.POLL_READ: select.POLLIN, psycopg2.extensions.POLL_WRITE: select.POLLOUT}
# A host that is silent for so long may be dead, and another one promoted. Asked again after twice the time, and so on.
_SILENCE = 1.0


class Others(Protocol):
    """The other hosts of a connection's URL, of which one may take writes after a failover."""

    def took_over(self) -> bool:
        """True once one of them is known to take writes."""

    def ask(self, within: timedelta) -> bool:
        """Asks them, for so long at most, whether one takes writes, and the connection's own host does not answer."""


class CannotConnect(psycopg2.OperationalError):  # type: ignore[misc]  # psycopg2 has no types
    """No connection was established. The text says why, where, and what to do."""


class PatientConnection(psycopg2.extensions.connection):  # type: ignore[misc]  # psycopg2 has no types
    """A connection whose waits end.

    returned_at: monotonic seconds at which the pool got the connection back.
    connect_patience: how long connecting may take.
    patience: how long each answer may take; None: without end.
    named: how many hosts the URL names.
    others: the other hosts that may take writes; None: there are none, or any host would do.
    """

    returned_at = 0.0
    named = 1
    others: "Others | None" = None

    def __init__(self, dsn: str, connect_patience: timedelta, patience: timedelta | None) -> None:
        """Connects. Raises CannotConnect, which does not name the user, who is a part of the URL (R36).

        dsn: names one host; of several those that follow a silent one would not be asked.
        """
        self.connect_patience, self.patience = connect_patience, patience
        try:
            super().__init__(dsn)
        except psycopg2.OperationalError as error:
            raise cannot_connect(str(error), dsn) from None


def cannot_connect(said: str, dsn: str) -> CannotConnect:
    """The error of a host that was not connected to. said: libpq's text; dsn: names this host."""
    return CannotConnect(refused_connection(_without_user(said, dsn), dsn))


def install() -> None:
    """Makes every psycopg2 connection of this process wait through `_wait`. May be called again."""
    psycopg2.extensions.set_wait_callback(_wait)


def _wait(connection: psycopg2.extensions.connection) -> None:
    # libpq's own connect_timeout does not hold for a connection that is waited for in this way.
    connecting = connection.status == psycopg2.extensions.STATUS_SETUP
    patience: timedelta | None = getattr(connection, "connect_patience" if connecting else "patience", None)
    others: Others | None = getattr(connection, "others", None)
    began = time.monotonic()
    ends = math.inf if patience is None else began + patience.total_seconds()
    asks = math.inf if others is None else began + _SILENCE
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        if _moves(connection, state, min(ends, asks)):
            continue
        # Raising from the callback makes psycopg2 close the connection: nothing of it is used again.
        left = ends - time.monotonic()
        if left <= 0:
            seconds = 0.0 if patience is None else patience.total_seconds()
            raise psycopg2.OperationalError(f"timeout: PostgreSQL did not answer within {seconds:.3g} s")
        if others is not None and others.ask(_shorter(connection.connect_patience, left)):
            raise psycopg2.OperationalError("PostgreSQL is silent, and another host of DATABASE_URL takes writes now")
        asks = began + 2 * (time.monotonic() - began)


def _moves(connection: psycopg2.extensions.connection, state: int, until: float) -> bool:
    """Waits until the connection has something to read or room to write. False: not until then, in monotonic time."""
    poller = select.poll()
    poller.register(connection.fileno(), _EVENTS[state])
    left = None if until == math.inf else max(0.0, until - time.monotonic()) * 1000
    return bool(poller.poll(left))


def _shorter(span: timedelta, seconds: float) -> timedelta:
    return span if span.total_seconds() < seconds else timedelta(seconds=seconds)


def _without_user(message: str, dsn: str) -> str:
    """libpq's message without the user's name, as it stands there between quotation marks of any language."""
    parts = psycopg2.extensions.parse_dsn(dsn)
    user = parts.get("user")
    if not user or user in (parts.get("dbname"), parts.get("host")):
        # It is shown anyway.
        return message
    return re.sub(rf"(?<=[^\w\s]){re.escape(user)}(?=[^\w\s])", "***", message)
