"""Which dead letters an operator discarded, and when; and which malformed intents still wait for an operator.

Processes of the release before work on, and take a discarded dead letter for one that waits (R15). Their counts read
all of dead_letters meanwhile: the index is made anew, for those that still wait. dead_letters is the smallest of the
tables that grow, and is read twice here; malformed_intents is read once.
"""

from typing import Any

import peewee

ADD = """
ALTER TABLE dead_letters
    ADD COLUMN discarded_at timestamptz(3),
    ADD COLUMN discarded_by text,
    ADD CONSTRAINT dead_letters_discard_is_both CHECK ((discarded_at IS NULL) = (discarded_by IS NULL));
DROP INDEX dead_letters_waiting;
CREATE INDEX dead_letters_waiting ON dead_letters (channel, id) WHERE requeued_at IS NULL AND discarded_at IS NULL;
CREATE INDEX malformed_intents_waiting ON malformed_intents (id) WHERE resubmitted_at IS NULL;
"""

DROP = """
DROP INDEX malformed_intents_waiting;
DROP INDEX dead_letters_waiting;
ALTER TABLE dead_letters DROP COLUMN discarded_at, DROP COLUMN discarded_by;
CREATE INDEX dead_letters_waiting ON dead_letters (channel, id) WHERE requeued_at IS NULL;
"""


def up(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Adds the columns, leaves discarded dead letters out of their index, and makes that of malformed intents."""
    db.execute_sql(ADD)


def down(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Takes all of that away: discarded dead letters wait again."""
    db.execute_sql(DROP)
