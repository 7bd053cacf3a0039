"""Which dead letters an operator discarded, and when: they wait for nobody any more.

Additive: processes of the release before work on, and take a discarded dead letter for one that waits (R15). Both
columns are empty. Adding the constraint reads dead_letters once, the smallest of the tables that grow.
"""

from typing import Any

import peewee

ADD = """
ALTER TABLE dead_letters
    ADD COLUMN discarded_at timestamptz(3),
    ADD COLUMN discarded_by text,
    ADD CONSTRAINT dead_letters_discard_is_both CHECK ((discarded_at IS NULL) = (discarded_by IS NULL));
"""

DROP = """
ALTER TABLE dead_letters DROP COLUMN discarded_at, DROP COLUMN discarded_by;
"""


def up(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Adds the columns."""
    db.execute_sql(ADD)


def down(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Takes them away: discarded dead letters wait again."""
    db.execute_sql(DROP)
