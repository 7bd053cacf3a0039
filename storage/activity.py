"""Who uses PostgreSQL: open transactions, replication slots and connections, for `publisher doctor`. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from storage.database import Database


@dataclass(frozen=True, slots=True)
class Transaction:
    """An open transaction.

    state: of its session. None: PostgreSQL does not show another role's.
    age: since it began. None: PostgreSQL does not show another role's.
    xmin_age: how many transactions have begun since its snapshot.
    """

    pid: int
    application: str
    user: str
    state: str | None
    age: timedelta | None
    xmin_age: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared transaction, which waits for its second phase (PREPARE TRANSACTION)."""

    gid: str
    owner: str
    age: timedelta


@dataclass(frozen=True, slots=True)
class Slot:
    """A replication slot.

    xmin_age: the age in transactions of the oldest rows that it keeps. None: it keeps no rows.
    retained: bytes of WAL that it keeps. None on a standby.
    """

    name: str
    active: bool
    xmin_age: int | None
    retained: int | None


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections to the server.

    limit: how many this role may have open in this database.
    connected: how many are open, by application name.
    """

    limit: int
    connected: Mapping[str, int]


# Sessions that keep locks, or keep dead rows of this database from being removed: those with a snapshot, with a
# transaction id, or in a transaction, which may get either. A standby's snapshot (hot_standby_feedback) has no
# database. Autovacuum has no role, and keeps nothing. PostgreSQL hides the age of another role's transaction, and shows
# that of its snapshot.
_TRANSACTIONS = """/* oldest_transactions */
SELECT pid, coalesce(application_name, ''), coalesce(usename, ''), state, statement_timestamp() - xact_start,
       coalesce(greatest(age(backend_xmin), age(backend_xid)), 0) AS xmin_age
FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND usesysid IS NOT NULL AND (datname = current_database() OR datname IS NULL)
  AND (xact_start IS NOT NULL OR backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
ORDER BY xact_start, xmin_age DESC, pid
LIMIT 100
"""


_PREPARED = """/* prepared_transactions */
SELECT gid, owner, statement_timestamp() - prepared FROM pg_prepared_xacts
WHERE database = current_database() ORDER BY prepared LIMIT 10
"""


# A standby writes no WAL, so it has no current position. Of xmin and catalog_xmin, the greater age is the older.
_SLOTS = """/* replication_slots */
SELECT slot_name, active, greatest(age(xmin), age(catalog_xmin)),
       CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint END
FROM pg_replication_slots ORDER BY slot_name
"""


# The least that the server, the database and the role allow; -1 means no limit.
_CONNECTION_LIMIT = """/* connection_limit */
SELECT least(current_setting('max_connections')::integer
             - CASE WHEN r.rolsuper THEN 0
                    ELSE current_setting('superuser_reserved_connections')::integer
                         + coalesce(current_setting('reserved_connections', true)::integer, 0) END,
             nullif(d.datconnlimit, -1), nullif(r.rolconnlimit, -1))
FROM pg_roles AS r, pg_database AS d
WHERE r.rolname = current_user AND d.datname = current_database()
"""


# Connections to every database of the server count. PostgreSQL hides the backend_type of another role's session.
_CONNECTED = """/* connections */
SELECT coalesce(application_name, ''), count(*) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname IS NOT NULL AND usesysid IS NOT NULL
  AND coalesce(backend_type, 'client backend') = 'client backend'
GROUP BY 1
"""


def oldest_transactions(database: Database) -> list[Transaction]:
    """Returns the hundred oldest open transactions of this database and of standbys, except this one."""
    return [Transaction(*row) for row in database.rows(_TRANSACTIONS)]


def prepared_transactions(database: Database) -> list[Prepared]:
    """Returns the ten oldest prepared transactions of this database."""
    return [Prepared(*row) for row in database.rows(_PREPARED)]


def replication_slots(database: Database) -> list[Slot]:
    """Returns every replication slot of the server."""
    return [Slot(*row) for row in database.rows(_SLOTS)]


def connections(database: Database) -> Connections:
    """Returns how many connections this role may have, and how many there are, except this one."""
    limit = int(database.rows(_CONNECTION_LIMIT)[0][0])
    return Connections(limit, dict(database.rows(_CONNECTED)))
