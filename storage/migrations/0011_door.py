"""The tokens of those who may send over the HTTP door.

Additive, and no row is written: processes of the release before work on.
"""

from typing import Any

import peewee

# See storage.models.door.DoorToken.
TABLES = """
CREATE TABLE door_tokens (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    producer text NOT NULL,
    purpose text NOT NULL,
    sends_intents boolean NOT NULL,
    sends_events boolean NOT NULL,
    token_sha256 bytea NOT NULL,
    created_at timestamptz(3) NOT NULL,
    created_by text NOT NULL,
    last_used_at timestamptz(3),
    revoked_at timestamptz(3),
    revoked_by text,
    CONSTRAINT door_tokens_send_something CHECK (sends_intents OR sends_events),
    CONSTRAINT door_tokens_revocation_is_whole CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE UNIQUE INDEX door_tokens_hash ON door_tokens (token_sha256);
"""

# Whoever may insert routes works with this table as well: nobody has to grant anything anew.
RIGHTS = """
DO $$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END
        FROM pg_class, aclexplode(relacl) AS acl
        WHERE pg_class.oid = 'routes'::regclass AND privilege_type = 'INSERT' AND acl.grantee <> relowner
    LOOP
        EXECUTE 'GRANT SELECT, INSERT, UPDATE ON door_tokens TO ' || grantee;
    END LOOP;
END
$$
"""

BACK = "DROP TABLE door_tokens"


def up(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Makes the table."""
    for statements in (TABLES, RIGHTS):
        db.execute_sql(statements)


def down(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Drops the table, and every token with it."""
    db.execute_sql(BACK)
