"""Where a route's command stands and until when its witness tells; who audits a channel; how far intents are committed.

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

# intents_marks     up to which entry of an intents stream every intent is committed here, and which PostgreSQL server
#                   said so, told by its start: another server, or the same one restarted, may have lost what it had.
# intents_replays   the intents that were taken in again after that, page by page; at most one that has not ended a
#                   stream. covered_at: when its mark was made; what is missing was committed later.
# intents_losses    entries that were removed from an intents stream before they were accepted, until an operator says
#                   that he knows. entries: how many, empty where nobody can tell.
INTENTS = """
CREATE TABLE intents_marks (
    stream text PRIMARY KEY,
    entry_id text NOT NULL,
    server text NOT NULL,
    marked_at timestamptz(3) NOT NULL
);

CREATE TABLE intents_replays (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream text NOT NULL,
    reason text NOT NULL,
    server text NOT NULL,
    after_id text NOT NULL,
    reached_id text NOT NULL,
    up_to_id text NOT NULL,
    covered_at timestamptz(3),
    begun_at timestamptz(3) NOT NULL,
    ended_at timestamptz(3),
    seen bigint NOT NULL DEFAULT 0,
    replayed bigint NOT NULL DEFAULT 0,
    left_out bigint NOT NULL DEFAULT 0,
    tries integer NOT NULL DEFAULT 0,
    replayer text,
    replayer_until timestamptz(3)
);

CREATE UNIQUE INDEX intents_replays_open ON intents_replays (stream) WHERE ended_at IS NULL;

CREATE TABLE intents_losses (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream text NOT NULL,
    cause text NOT NULL,
    after_id text NOT NULL,
    before_id text NOT NULL,
    entries bigint,
    noticed_at timestamptz(3) NOT NULL,
    acknowledged_at timestamptz(3),
    acknowledged_by text,
    CONSTRAINT intents_losses_acknowledgement_is_whole CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
);

CREATE UNIQUE INDEX intents_losses_gap ON intents_losses (stream, cause, after_id, before_id);
"""

DROP = """
DROP TABLE intents_losses, intents_replays, intents_marks;
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
    """Adds the columns and tables."""
    db.execute_sql(TABLES)
    db.execute_sql(INTENTS)


def down(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Takes them away."""
    db.execute_sql(DROP)
