"""Where a route's command stands and until when its witness tells of it; who audits a channel; what was committed.

Additive: processes of the release before work on, and leave the new columns empty (R15). No statement reads or
rewrites a table: every new column of `routes` is empty or has a constant default.
"""

from typing import Any

import peewee

# routes.stream         the stream that the latest attempt went to; empty until the first. A renamed stream: the command
#                       may stand there.
# routes.witness_until  until when the witness of the published command is sure to exist (R12a).
# routes.requeues       how often an operator took the route back from the dead letters: a tombstone of an earlier life
#                       does not hold a later one.
# routes.producer       the notification's, for claims that choose by it. Empty for routes of earlier releases.
# routes.lane           how urgent the route is.
# stream_audits         covered_to: everything published before was found by the last completed audit. auditor and
#                       auditor_until: who walks at this moment, and until when nobody else may. identity: the Redis
#                       that the last completed audit saw; redis_identity is what the release before says of it.
TABLES = """
ALTER TABLE routes
    ADD COLUMN stream text,
    ADD COLUMN witness_until timestamptz(3),
    ADD COLUMN requeues integer NOT NULL DEFAULT 0,
    ADD COLUMN producer text,
    ADD COLUMN lane text NOT NULL DEFAULT 'normal';

ALTER TABLE stream_audits
    ADD COLUMN covered_to timestamptz(3),
    ADD COLUMN auditor text,
    ADD COLUMN auditor_until timestamptz(3),
    ADD COLUMN identity text;
"""

DROP = """
ALTER TABLE stream_audits DROP COLUMN covered_to, DROP COLUMN auditor, DROP COLUMN auditor_until,
    DROP COLUMN identity;
ALTER TABLE routes
    DROP COLUMN stream,
    DROP COLUMN witness_until,
    DROP COLUMN requeues,
    DROP COLUMN producer,
    DROP COLUMN lane;
"""


def up(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Adds the columns."""
    db.execute_sql(TABLES)


def down(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Takes them away."""
    db.execute_sql(DROP)
