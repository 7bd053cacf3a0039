"""Which system this is: the database that it keeps its truth in."""

from storage.database import Database

# The server's own identifier, which a standby shares and a copy by pg_dump does not, and the database, whatever its
# name.
_SYSTEM = """/* read_system */
SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || oid FROM pg_database
WHERE datname = current_database()
"""


def read_system(database: Database) -> str:
    """A text that is the same for all processes of one system, and another for every other system.

    It outlives restarts, failovers to a standby, and a new name; not a dump that is restored elsewhere.
    """
    [[system]] = database.rows(_SYSTEM)
    # A process has no more connections than its work needs, and this was asked beside it.
    database.close_idle()
    return str(system)
