"""The group of a route as a column, in the place of an index expression; cancellations by their key.

An index of an expression over four texts has every update of a route compare all four: 5 % of a claim, and 4 % of the
recording.

Additive, and no row is written: the index is made anew without a key of the routes that are there. Processes of the
release before work on, and insert routes without one (R15). Such routes count as of the normal lane. Each claim of the
release before looks through the open routes of all channels, until the last of its processes has ended.
"""

from typing import Any

import peewee

# A cancellation takes the tables in this order. Whoever takes them the other way round, or waits too long, tries again.
LOCK = "LOCK TABLE cancellations, routes IN ACCESS EXCLUSIVE MODE"

# group_key      see storage.group_keys. Empty where an earlier release inserted the route: the claim that needs it
#                fills it in.
# routes_shares  the open routes by their group: a claim jumps from one group to the next.
# cancellations_idempotency_key  an operator looks a cancellation up by the key of the intent.
COLUMN = """
DROP INDEX routes_shares;
ALTER TABLE routes ADD COLUMN group_key bigint;
CREATE INDEX routes_shares ON routes (group_key, next_attempt_at, id) WHERE status IN ('pending', 'failed');
CREATE INDEX cancellations_idempotency_key ON cancellations (idempotency_key);
"""

BACK = """
DROP INDEX cancellations_idempotency_key;
DROP INDEX routes_shares;
CREATE INDEX routes_shares ON routes (
    (((hashtext(channel) & 32767)::bigint << 48)
     + ((CASE lane WHEN 'urgent' THEN 0 WHEN 'normal' THEN 1 ELSE 2 END)::bigint << 46)
     + (hashtextextended(producer || chr(10) || notification_type, 0) & 70368744177663)),
    next_attempt_at, id
) WHERE status IN ('pending', 'failed');
ALTER TABLE routes DROP COLUMN group_key;
"""


def up(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Adds the column, and makes the index anew."""
    for statements in (LOCK, COLUMN):
        db.execute_sql(statements)


def down(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Takes the column away, and makes the index as it was."""
    for statements in (LOCK, BACK):
        db.execute_sql(statements)
