"""Gives every wait on PostgreSQL a deadline, also while the server is silent and the connection open.

libpq has no such deadline: statement_timeout needs a server that answers, and keepalives an operating system that gives
up. psycopg2 waits through a callback of ours instead ("Support for coroutine libraries" in its manual).
"""

import re
import select
import time
from datetime import timedelta

import psycopg2
import psycopg2.extensions

from storage.connection_errors import refused_connection

_EVENTS = {psycopg2.extensions.POLL_READ: select.POLLIN, psycopg2.extensions.POLL_WRITE: select.POLLOUT}


class CannotConnect(psycopg2.OperationalError):  # type: ignore[misc]  # psycopg2 has no types
    """No connection was established. The text says why, where, and what to do."""


class PatientConnection(psycopg2.extensions.connection):  # type: ignore[misc]  # psycopg2 has no types
    """A connection whose waits end.

    returned_at: monotonic seconds at which the pool got the connection back.
    """

    returned_at = 0.0

    def __init__(self, dsn: str, connect_patience: timedelta, patience: timedelta | None) -> None:
        """Connects. Raises CannotConnect, which does not name the user, who is a part of the URL (R36).

        dsn: names one host; of several those that follow a silent one would not be asked.
        connect_patience: how long connecting may take.
        patience: how long each answer may take; None: without end.
        """
        self.connect_patience, self.patience = connect_patience, patience
        try:
            super().__init__(dsn)
        except psycopg2.OperationalError as error:
            raise CannotConnect(refused_connection(_without_user(str(error), dsn), dsn)) from None


def install() -> None:
    """Makes every psycopg2 connection of this process wait through `_wait`. May be called again."""
    psycopg2.extensions.set_wait_callback(_wait)


def _wait(connection: psycopg2.extensions.connection) -> None:
    # libpq's own connect_timeout does not hold for a connection that is waited for in this way.
    connecting = connection.status == psycopg2.extensions.STATUS_SETUP
    patience: timedelta | None = getattr(connection, "connect_patience" if connecting else "patience", None)
    deadline = None if patience is None else time.monotonic() + patience.total_seconds()
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        poller = select.poll()
        poller.register(connection.fileno(), _EVENTS[state])
        remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not poller.poll(None if remaining is None else remaining * 1000):
            # Raising from the callback makes psycopg2 close the connection: nothing of it is used again.
            seconds = 0.0 if patience is None else patience.total_seconds()
            raise psycopg2.OperationalError(f"timeout: PostgreSQL did not answer within {seconds:.3g} s")


def _without_user(message: str, dsn: str) -> str:
    """libpq's message without the user's name, as it stands there between quotation marks of any language."""
    parts = psycopg2.extensions.parse_dsn(dsn)
    user = parts.get("user")
    if not user or user in (parts.get("dbname"), parts.get("host")):
        # It is shown anyway.
        return message
    return re.sub(rf"(?<=[^\w\s]){re.escape(user)}(?=[^\w\s])", "***", message)
