"""The pool of connections to PostgreSQL, which asks a connection whether it lives only where that is in doubt."""

import select
import time
from typing import Any

from playhouse.pool import PooledPostgresqlDatabase

# Below the pauses after which a firewall or a pooler drops a silent connection without a word.
_TRUSTED_SECONDS = 10.0


class Pool(PooledPostgresqlDatabase):  # type: ignore[misc]  # playhouse has no types
    """Playhouse's pool without its `SELECT 1` before each unit of work.

    A connection whose server process has ended, or whose server was stopped, can be read from: its end, or the server's
    last words, have arrived. A connection that answered within the last seconds, and on which nothing has arrived
    since, is lent as it is. Any other one is asked, as playhouse does. One to a host that takes no writes any more, as
    is known from another connection, is closed.
    """

    def rollback(self) -> None:
        """Rolls back, unless the connection was closed: PostgreSQL does it then.

        What closed the connection, a Ctrl-C say, is raised on, and not that it is closed.
        """
        if self.is_closed() or not self.connection().closed:
            super().rollback()

    def _is_closed(self, conn: Any) -> bool:
        if conn.others is not None and conn.others.took_over():
            # A failover: whatever this host answers, if it does, another one takes the writes.
            conn.close()
            return True
        if not conn.closed and time.monotonic() - conn.returned_at < _TRUSTED_SECONDS and not _has_arrived(conn):
            return False
        return bool(super()._is_closed(conn))

    def _can_reuse(self, conn: Any) -> bool:
        conn.returned_at = time.monotonic()
        return bool(super()._can_reuse(conn))


def _has_arrived(connection: Any) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
