"""What PostgreSQL says of its own state: facts for `publisher doctor`. `try_write` alone writes.

Each statement is cheap however many routes there are: the catalogue, the statistics, and a bounded look at the open
routes by the partial index routes_due.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.database import Database, fetch
from storage.loose_scan import distinct
from storage.models import MODELS, OPEN


@dataclass(frozen=True, slots=True)
class Isolation:
    """session: what the service's transactions have. default: what the role or the database sets, None for nothing."""

    session: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Tls:
    """in_use: whether the connection to PostgreSQL is encrypted. mode: libpq's sslmode."""

    in_use: bool
    mode: str


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """What the server says of itself and of this session."""

    version: str
    standby: bool
    read_only: bool
    fsync: bool
    full_page_writes: bool
    synchronous_commit: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """An open transaction. age: None where another role's is not shown. xmin_age: transactions begun since."""

    pid: int
    application: str
    user: str
    state: str | None
    age: timedelta | None
    xmin_age: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A transaction that waits for its second phase."""

    gid: str
    owner: str
    age: timedelta


@dataclass(frozen=True, slots=True)
class Slot:
    """A replication slot. xmin_age: a transaction's, None if it holds no rows. retained: bytes of WAL kept."""

    name: str
    active: bool
    xmin_age: int | None
    retained: int | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by the statistics. vacuumed: how long ago, None for never. autovacuum: whether it may be by itself."""

    name: str
    live: int
    dead: int
    vacuumed: timedelta | None
    autovacuum: bool


@dataclass(frozen=True, slots=True)
class Connections:
    """limit: how many this role may have open in this database. connected: how many are, by application."""

    limit: int
    connected: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Backlog:
    """The open routes of a channel, as far as the first thousand that are due show.

    oldest_due: how long the first one that is free has been due. orphaned: leases that were over long ago, and
    longest_over: for how long the first of them has been.
    """

    channel: str
    oldest_due: timedelta | None
    orphaned: int
    longest_over: timedelta | None


_CLOCK = "/* read_clock */ SELECT clock_timestamp()"

# About a megabyte: more than a table with room left would take without growing.
_TRIAL_ROWS = 32_000

# What the session has, and what the role or the database would have given it: the narrowest setting is the first.
_ISOLATION = """/* read_isolation */
SELECT current_setting('transaction_isolation'), (
    SELECT split_part(setting, '=', 2)
    FROM pg_db_role_setting AS s CROSS JOIN unnest(s.setconfig) AS setting
    WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
      AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user))
      AND split_part(setting, '=', 1) = 'default_transaction_isolation'
    ORDER BY s.setrole DESC, s.setdatabase DESC LIMIT 1)
"""

# A temporary table grows on the same disk, and nobody else sees it.
_MAY_MAKE_TEMPORARY = "/* may_make_temporary */ SELECT has_database_privilege(current_database(), 'TEMPORARY')"
_TEMPORARY = "CREATE TEMPORARY TABLE publisher_doctor (number integer) ON COMMIT DROP"
_FILL = "/* try_write_temporary */ INSERT INTO publisher_doctor SELECT generate_series(1, %s)"
_ROW = "/* try_write_row */ INSERT INTO channel_gates (channel) VALUES ('publisher doctor')"

_SERVER = """/* read_server */
SELECT current_setting('server_version'), pg_is_in_recovery(),
       current_setting('transaction_read_only')::boolean, current_setting('fsync')::boolean,
       current_setting('full_page_writes')::boolean, current_setting('synchronous_commit')
"""

# Who keeps dead rows of this database from being removed, or locks: a snapshot, an id, or a transaction that may get
# one. A standby's (hot_standby_feedback) has no database. Autovacuum has no role, and holds nothing back. The age of
# another role's transaction is hidden from us, that of its snapshot is not.
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

# A standby has no current position of its own. The lesser of the two horizons is the older one.
_SLOTS = """/* replication_slots */
SELECT slot_name, active, greatest(age(xmin), age(catalog_xmin)),
       CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint END
FROM pg_replication_slots ORDER BY slot_name
"""

_TABLES = """/* tables */
SELECT s.relname, s.n_live_tup, s.n_dead_tup, statement_timestamp() - greatest(s.last_vacuum, s.last_autovacuum),
       current_setting('autovacuum')::boolean AND current_setting('track_counts')::boolean
       AND coalesce((SELECT o.option_value::boolean FROM pg_options_to_table(c.reloptions) AS o
                     WHERE o.option_name = 'autovacuum_enabled'), true)
FROM unnest(%s::text[]) WITH ORDINALITY AS wanted (name, place)
JOIN pg_class AS c ON c.oid = to_regclass(quote_ident(wanted.name))
JOIN pg_stat_user_tables AS s ON s.relid = c.oid
ORDER BY wanted.place
"""

# The least of what the server, the database and the role allow; -1 is no limit of its own.
_CONNECTION_LIMIT = """/* connection_limit */
SELECT least(current_setting('max_connections')::integer
             - CASE WHEN r.rolsuper THEN 0
                    ELSE current_setting('superuser_reserved_connections')::integer
                         + coalesce(current_setting('reserved_connections', true)::integer, 0) END,
             nullif(d.datconnlimit, -1), nullif(r.rolconnlimit, -1))
FROM pg_roles AS r, pg_database AS d
WHERE r.rolname = current_user AND d.datname = current_database()
"""

# Every database of the server counts. What kind another role's backend is, is hidden from us.
_CONNECTED = """/* connections */
SELECT coalesce(application_name, ''), count(*) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname IS NOT NULL AND usesysid IS NOT NULL
  AND coalesce(backend_type, 'client backend') = 'client backend'
GROUP BY 1
"""

# From one channel to the next in the index: no route is read that is not asked for. Of each channel the thousand
# that are due longest: an expired lease's route is among those, since it has been due since before it was leased.
_BACKLOGS = f"""/* backlogs */
WITH RECURSIVE {distinct("channels", "channel", "routes", OPEN)}
SELECT c.channel, longest.oldest_due, longest.orphaned, longest.longest_over
FROM channels AS c CROSS JOIN LATERAL (
    SELECT statement_timestamp() - min(next_attempt_at)
               FILTER (WHERE lease_expires_at IS NULL OR lease_expires_at <= statement_timestamp()) AS oldest_due,
           count(*) FILTER (WHERE lease_expires_at <= statement_timestamp() - %(over)s) AS orphaned,
           statement_timestamp() - min(lease_expires_at)
               FILTER (WHERE lease_expires_at <= statement_timestamp() - %(over)s) AS longest_over
    FROM (
        SELECT next_attempt_at, lease_expires_at FROM routes AS r
        WHERE r.channel = c.channel AND r.status IN ('pending', 'failed')
          AND r.next_attempt_at <= statement_timestamp()
        ORDER BY r.next_attempt_at, r.id LIMIT 1000
    ) AS due
) AS longest
WHERE c.channel IS NOT NULL
ORDER BY c.channel
"""


def read_clock(database: Database) -> datetime:
    """What PostgreSQL's clock says now."""
    now: datetime = database.rows(_CLOCK)[0][0]
    return now


def read_server(database: Database) -> PostgresServer:
    """What the server says of itself."""
    return PostgresServer(*database.rows(_SERVER)[0])


def try_write(database: Database) -> None:
    """Writes a megabyte to a table of its own and commits, which drops it. Raises what any other write would meet, too:
    a full disk, a standby, a synchronous standby that is away.

    A role that may make no temporary table writes a row of ours, and takes it back.
    """
    with database.unit() as connection:
        [[temporary]] = fetch(connection, _MAY_MAKE_TEMPORARY)
        with connection.atomic() as transaction:
            if temporary:
                # Where the tables are, and not where a setting wants temporary ones.
                connection.execute_sql("SET LOCAL temp_tablespaces = ''")
                connection.execute_sql(_TEMPORARY)
                connection.execute_sql(_FILL, [_TRIAL_ROWS])
            else:
                connection.execute_sql(_ROW)
                transaction.rollback()


def read_isolation(database: Database) -> Isolation:
    """The isolation of this session's transactions, and what the role or the database would have it be."""
    return Isolation(*database.rows(_ISOLATION)[0])


def read_tls(database: Database) -> Tls:
    """How the connection to PostgreSQL, or to the pooler in between, is encrypted."""
    with database.unit() as connection:
        info = connection.connection().info
        return Tls(bool(info.ssl_in_use), info.dsn_parameters.get("sslmode", ""))


def oldest_transactions(database: Database) -> list[Transaction]:
    """The hundred oldest open transactions of this database and of standbys, this one left out."""
    return [Transaction(*row) for row in database.rows(_TRANSACTIONS)]


def prepared_transactions(database: Database) -> list[Prepared]:
    """The ten oldest transactions of this database that wait for their second phase."""
    return [Prepared(*row) for row in database.rows(_PREPARED)]


def replication_slots(database: Database) -> list[Slot]:
    """Every replication slot of the server."""
    return [Slot(*row) for row in database.rows(_SLOTS)]


def tables(database: Database) -> list[Table]:
    """The statistics of our tables, those that exist."""
    return [Table(*row) for row in database.rows(_TABLES, [[model._meta.table_name for model in MODELS]])]


def connections(database: Database) -> Connections:
    """How many connections this role may have, and who has some now, this one left out."""
    limit = int(database.rows(_CONNECTION_LIMIT)[0][0])
    return Connections(limit, dict(database.rows(_CONNECTED)))


def backlogs(database: Database, *, over: timedelta) -> list[Backlog]:
    """Every channel that has open routes, with what its thousand routes due longest show.

    over: for how long a lease must have been over to count as orphaned.
    """
    return [Backlog(*row) for row in database.rows(_BACKLOGS, {"over": over})]
