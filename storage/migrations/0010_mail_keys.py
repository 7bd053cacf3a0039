"""The key of the words that name a delivery in its messages; how often a kept command was taken over in a row.

Additive, and no row is written: processes of the release before work on. The key is made by the first process that
needs it, see `storage.mail.reference_key`.
"""

from typing import Any

import peewee

LOCK = "LOCK TABLE mail_deliveries IN ACCESS EXCLUSIVE MODE"

# takeovers           see storage.models.answers.MailDelivery.
# mail_reference_key  holds one row at most.
TABLES = """
ALTER TABLE mail_deliveries ADD COLUMN takeovers integer NOT NULL DEFAULT 0;

CREATE TABLE mail_reference_key (
    id smallint NOT NULL DEFAULT 1 PRIMARY KEY,
    key text NOT NULL,
    CONSTRAINT mail_reference_key_is_one CHECK (id = 1)
);
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
        EXECUTE 'GRANT SELECT, INSERT ON mail_reference_key TO ' || grantee;
    END LOOP;
END
$$
"""

BACK = """
DROP TABLE mail_reference_key;
ALTER TABLE mail_deliveries DROP COLUMN takeovers;
"""


def up(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Adds the column and the table."""
    for statements in (LOCK, TABLES, RIGHTS):
        db.execute_sql(statements)


def down(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Takes them away. The next key is another one: reports about messages sent before are no longer recognised."""
    for statements in (LOCK, BACK):
        db.execute_sql(statements)
