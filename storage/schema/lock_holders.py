"""Finds the sessions that hold a lock while another session waits for it: afterwards PostgreSQL cannot tell."""

import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import peewee

from publisher.domain.errors import PublisherError
from storage.database import Database, fetch

_LOOK_EVERY_SECONDS = 0.2

# The sessions that block this backend: those that hold the lock, and those that wait before it in the queue.
_HOLDERS = """/* lock_holders */
SELECT pid, coalesce(application_name, ''), coalesce(state, 'of unknown state'),
       coalesce(floor(extract(epoch FROM clock_timestamp() - xact_start)), 0)::int
FROM pg_stat_activity WHERE pid = ANY(pg_blocking_pids(%s)) ORDER BY xact_start NULLS LAST, pid
"""


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A session that blocks another one. seconds: how old its transaction is."""

    pid: int
    application: str
    state: str
    seconds: int

    def __str__(self) -> str:
        name = self.application or "no application name"
        return f"pid {self.pid} ({name}, {self.state}, in a transaction for {self.seconds} s)"


class LockWatch:
    """Looks, with a connection of its own, who blocks a session for as long as the block lasts.

    holders: those found last, the oldest transaction first; none if the session did not wait, or nobody could say.
    """

    def __init__(self, database: Database) -> None:
        self.holders: list[LockHolder] = []
        self._database = database
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, connection: peewee.PostgresqlDatabase) -> None:
        """Watches the session of this connection from now on."""
        [(pid,)] = fetch(connection, "SELECT pg_backend_pid()")
        self._thread = threading.Thread(target=self._watch, args=(pid,), name="lock-watch", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self, pid: int) -> None:
        while not self._done.wait(_LOOK_EVERY_SECONDS):
            try:
                found = [LockHolder(*row) for row in self._database.rows(_HOLDERS, [pid])]
            except PublisherError:
                # The migration itself says what is wrong with the database.
                return
            self.holders = found or self.holders
