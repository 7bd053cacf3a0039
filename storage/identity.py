"""Which system this is: the database that it keeps its truth in."""

from storage.database import Database

# The server's own identifier, which a standby shares and a copy by pg_dump does not, and the database, whatever its
# name.
_SYSTEM = """
SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || oid FROM pg_database
WHERE datname = current_database()
"""


def read_system(database: Database) -> str:
    """A text that is the same for all processes of one system, and another for every other system.

    It outlives restarts, failovers to a standby, and a new name; not a dump that is restored elsewhere.
    """
    return str(database.rows(_SYSTEM)[0][0])
