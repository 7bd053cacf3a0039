"""Identifies the system by the database that holds its routes."""

from storage.database import Database

# The server's own identifier, which a standby shares and a copy by pg_dump does not, and the database, whatever its
# name.
_SYSTEM = """/* read_system */
SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || oid FROM pg_database
WHERE datname = current_database()
"""


def read_system(database: Database) -> str:
    """Returns a text that is the same for every process of this system, and differs from that of any other system.

    It survives restarts, failovers to a standby, and renaming the database. A restored dump has another one.
    """
    [[system]] = database.rows(_SYSTEM)
    # A process has no more connections than its work needs, and this was asked beside it.
    database.close_idle()
    return str(system)
