"""The state of the PostgreSQL server, of this session and of our tables, for `publisher doctor`.

Every statement but those of `try_write` only reads, and reads no table of ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.connection.errors import addresses
from storage.connection.hosts import STARTED
from storage.database import Database, fetch
from storage.models.all_models import MODELS


@dataclass(frozen=True, slots=True)
class Isolation:
    """The isolation level of transactions.

    session: of the service's transactions.
    default: what the role or the database sets. None: neither sets one.
    """

    session: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Tls:
    """in_use: the connection to PostgreSQL, or to a pooler in between, is encrypted. mode: libpq's sslmode."""

    in_use: bool
    mode: str


@dataclass(frozen=True, slots=True)
class Hosts:
    """The hosts of DATABASE_URL.

    reached: the one that this process is connected to, with its port, or the folder of its socket.
    named: how many the URL names.
    chosen: the one that takes writes is used, and not the first that answers.
    refusals: what the others said that let nobody in; looked at where one is chosen.
    primaries: the others that are primaries, too, as `reached` has it; so likewise.
    """

    reached: str
    named: int
    chosen: bool
    refusals: Sequence[str] = ()
    primaries: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """Settings of the server and of this session, as current_setting returns them."""

    version: str
    standby: bool
    read_only: bool
    fsync: bool
    full_page_writes: bool
    synchronous_commit: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of ours, by PostgreSQL's statistics.

    live, dead: rows.
    vacuumed: how long ago it was vacuumed last. None: never.
    autovacuum: autovacuum may vacuum it.
    """

    name: str
    live: int
    dead: int
    vacuumed: timedelta | None
    autovacuum: bool


_CLOCK = "/* read_clock */ SELECT clock_timestamp()"

# About a megabyte, so that the table must grow even if it has room left.
_TRIAL_ROWS = 32_000

# Of the settings of role and database, the narrowest comes first.
_ISOLATION = """/* read_isolation */
SELECT current_setting('transaction_isolation'), (
    SELECT split_part(setting, '=', 2)
    FROM pg_db_role_setting AS s CROSS JOIN unnest(s.setconfig) AS setting
    WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
      AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user))
      AND split_part(setting, '=', 1) = 'default_transaction_isolation'
    ORDER BY s.setrole DESC, s.setdatabase DESC LIMIT 1)
"""

# A temporary table grows on the same disk, and no other session sees it.
_MAY_MAKE_TEMPORARY = "/* may_make_temporary */ SELECT has_database_privilege(current_database(), 'TEMPORARY')"
_TEMPORARY = "CREATE TEMPORARY TABLE publisher_doctor (number integer) ON COMMIT DROP"
_FILL = "/* try_write_temporary */ INSERT INTO publisher_doctor SELECT generate_series(1, %s)"
_ROW = "/* try_write_row */ INSERT INTO channel_gates (channel) VALUES ('publisher doctor')"

_SERVER = """/* read_server */
SELECT current_setting('server_version'), pg_is_in_recovery(),
       current_setting('transaction_read_only')::boolean, current_setting('fsync')::boolean,
       current_setting('full_page_writes')::boolean, current_setting('synchronous_commit')
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


def read_clock(database: Database) -> datetime:
    """Returns the present by PostgreSQL's clock."""
    now: datetime = database.rows(_CLOCK)[0][0]
    return now


def read_server(database: Database) -> PostgresServer:
    """Returns the settings of the server and of this session."""
    return PostgresServer(*database.rows(_SERVER)[0])


def try_write(database: Database) -> None:
    """Tries to write: a megabyte to a temporary table that the commit drops.

    A role that may not create temporary tables inserts a row into channel_gates and rolls back.
    Raises the error that any other write would meet: a full disk, a standby, a synchronous standby that is away.
    """
    with database.unit() as connection:
        [[temporary]] = fetch(connection, _MAY_MAKE_TEMPORARY)
        with connection.atomic() as transaction:
            if temporary:
                # On the disk of our tables, wherever a setting puts temporary ones.
                connection.execute_sql("SET LOCAL temp_tablespaces = ''")
                connection.execute_sql(_TEMPORARY)
                connection.execute_sql(_FILL, [_TRIAL_ROWS])
            else:
                connection.execute_sql(_ROW)
                transaction.rollback()


def read_isolation(database: Database) -> Isolation:
    """Returns the isolation of this session's transactions, and what the role or the database sets."""
    return Isolation(*database.rows(_ISOLATION)[0])


def read_hosts(database: Database) -> Hosts:
    """Returns which host of DATABASE_URL is connected to, how it was chosen, and what is wrong with the others."""
    with database.unit() as connection:
        session = connection.connection()
        reached = ", ".join(addresses(session.dsn))
        if session.others is None:
            return Hosts(reached, session.named, chosen=False)
        [[_, started]] = fetch(connection, STARTED)
        refusals, primaries = session.others.look(started)
    others = tuple(", ".join(addresses(dsn)) for dsn in primaries)
    return Hosts(reached, session.named, chosen=True, refusals=tuple(refusals), primaries=others)


def read_tls(database: Database) -> Tls:
    """Returns whether and how the connection to PostgreSQL, or to the pooler in between, is encrypted."""
    with database.unit() as connection:
        info = connection.connection().info
        return Tls(bool(info.ssl_in_use), info.dsn_parameters.get("sslmode", ""))


def tables(database: Database) -> list[Table]:
    """Returns the statistics of those of our tables that exist."""
    return [Table(*row) for row in database.rows(_TABLES, [[model._meta.table_name for model in MODELS]])]
