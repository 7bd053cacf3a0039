"""Sets in every transaction what its results depend on, whatever a database, role or pooler gives its session.

A session may begin with settings other than PostgreSQL's own: by ALTER DATABASE or ALTER ROLE, by PGOPTIONS, PGTZ or
PGDATESTYLE. Behind PgBouncer in transaction mode each transaction may have another session. PgBouncer may drop what a
startup packet asks for, and what SET changes would stay for strangers. So nothing is set for the session. The settings
stand before a transaction's first statement, in the same message, and end with the transaction. That adds no round trip
and some 15 µs on the server.

Set: all that a result or a wait depends on; and that no statement is compiled (jit). Compiling is decided by the
estimated cost, took two seconds for a statement of a third of a second, and is done anew each time.
Left to whoever runs the database: search_path (where the tables are), row_security, synchronous_commit (`doctor` warns
where a commit may be lost), and how queries are planned.
Of no concern: no statement depends on bytea_output, xmlbinary, backslash_quote or standard_conforming_strings.
client_encoding, in which the message itself is written, is a parameter of the connection, and poolers keep it.
idle_session_timeout ends unused connections: the pool sees that, and opens others.
"""

import re
from datetime import timedelta

import psycopg2.extensions

# Between two statements of a transaction nothing is waited for. A client that is silent for so long is gone, though its
# connection may look open for minutes, and whatever it has locked keeps the others from taking its work over.
_LONGEST_PAUSE = timedelta(seconds=3)
_TRANSACTION_TIMEOUT_SINCE = 170_000
# The pool's look whether a connection lives depends on nothing. Maintenance that PostgreSQL runs in no transaction with
# others is an operator's or a test's; the service has none.
_ALONE = re.compile(r"\s*(SELECT 1\Z|VACUUM|(CREATE|CREATE UNIQUE|DROP|REINDEX) INDEX CONCURRENTLY)", re.IGNORECASE)
_IDLE = psycopg2.extensions.TRANSACTION_STATUS_IDLE
# Times come as psycopg2 reads them, and numbers whole; a NULL in an array that we send is one, and no text.
_FORMATS = (
    "SET LOCAL timezone=UTC;SET LOCAL datestyle=ISO;SET LOCAL intervalstyle=postgres;SET LOCAL extra_float_digits=1;"
    "SET LOCAL array_nulls=on;SET LOCAL jit=off;"
)


class SelfSetCursor(psycopg2.extensions.cursor):  # type: ignore[misc]  # psycopg2 has no types
    """A cursor of a connection in autocommit mode, each of whose transactions sets what it depends on."""

    timeouts = ""

    def execute(self, query: str, parameters: object = None) -> None:
        """Runs the statement. A statement that begins a transaction, also BEGIN, brings the settings along."""
        connection = self.connection
        if connection.get_transaction_status() == _IDLE and not _ALONE.match(query):
            # A standby takes nothing but reading; what it says of itself changes with its promotion.
            writable = "" if connection.info.parameter_status("in_hot_standby") == "on" else ",READ WRITE"
            at_all = (
                "SET LOCAL transaction_timeout=0;" if connection.server_version >= _TRANSACTION_TIMEOUT_SINCE else ""
            )
            query = f"SET TRANSACTION ISOLATION LEVEL READ COMMITTED{writable};{self.timeouts}{at_all}{_FORMATS}{query}"
        super().execute(query, parameters)


def cursor_class(statement_timeout: timedelta | None) -> type[SelfSetCursor]:
    """Returns a cursor class for psycopg2's `cursor_factory`.

    statement_timeout: how long the client waits for an answer; None: without end, and then the server waits without end
        for locks and for the client, too.
    """
    if statement_timeout is None:
        statement = pause = 0
    else:
        # The server gives up first, so that its verdict, and not silence, ends a statement. Of a message with several
        # statements each has so long.
        statement = max(1, int(statement_timeout.total_seconds() * 900))
        pause = min(statement * 2, round(_LONGEST_PAUSE.total_seconds() * 1000))
    timeouts = (
        f"SET LOCAL statement_timeout={statement};SET LOCAL lock_timeout={statement};"
        f"SET LOCAL idle_in_transaction_session_timeout={pause};"
    )
    return type("SelfSetCursor", (SelfSetCursor,), {"timeouts": timeouts})
