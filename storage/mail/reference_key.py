"""Keeps the secret with which messages name their deliveries, so that nobody can make such a name but us (R33)."""

import secrets

from storage.database import Database

_READ = "/* read_mail_reference_key */ SELECT key FROM mail_reference_key"

# 244 random bits: PostgreSQL takes those of a UUID from the strong source of the system. Of two processes that start
# at once one makes the key.
_MAKE = """/* make_mail_reference_key */
INSERT INTO mail_reference_key (key) VALUES (replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''))
ON CONFLICT DO NOTHING
"""


def mail_reference_key(database: Database, *, may_make: bool = True) -> bytes:
    """Returns the key, the same for all processes. Makes it if there is none.

    may_make: False writes nothing: where there is no key, one is returned that no message was named with.
    Raises DatabaseUnavailable.
    """
    found = database.rows(_READ)
    if not found and not may_make:
        return secrets.token_bytes()
    if not found:
        with database.unit() as connection:
            connection.execute_sql(_MAKE)
        found = database.rows(_READ)
    key: str = found[0][0]
    return key.encode()
